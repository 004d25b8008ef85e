"""`loan-default decision` and `erase`: what they print and how they end."""

import json
import re
from pathlib import Path
from typing import get_args
from uuid import UUID

import numpy as np
import pytest
from commands import cli
from decisions import Answers, decide, lines
from installation import ROOT
from prometheus_client import REGISTRY

from loan_default.decision_log import Decided, new_decision_id
from loan_default.decision_log.files import MOST_SEGMENT_BYTES, FileStore
from loan_default.decision_log.log import REQUIRED_WAIT_S
from loan_default.decision_log.record import Record
from loan_default.decision_log.segments import decisions_folder
from loan_default.decision_log.store import Reason
from loan_default.decision_log.writer import FLUSH_INTERVAL_S, MOST_WAITING
from loan_default.model import LoanModel
from loan_default.settings import Settings
from loan_default.training.data import Dataset

PAGE = (ROOT / "docs" / "decision-log.md").read_text()


@pytest.fixture
def declined(settings: Settings, loan_model: LoanModel, dataset: Dataset) -> Decided:
    """A recorded decision on an applicant that the model declines."""
    row = dataset.applicants[loan_model.pd(dataset.applicants) >= loan_model.decision.threshold][0]
    decided = decide(Answers(loan_model), row.tolist(), reference="loan 17", at=1_700_000_000.25)
    record(settings, decided)
    return decided


def record(settings: Settings, *decided: Decided) -> None:
    FileStore(decisions_folder(settings), most_bytes=2**30, retention_days=800).write(lines(decided), durable=True)


def test_a_decision_is_shown_with_all_that_was_kept(declined: Decided, loan_model: LoanModel) -> None:
    done = cli("decision", declined.decision_id)
    assert done.exit_code == 0
    assert f"Decision {declined.decision_id}" in done.output
    assert "2023-11-14 22:13:20.250000 UTC" in done.output
    assert f"loan_default:7-01234567 (version 7, run {loan_model.about.run_id})" in done.output
    assert f"{declined.pd!r} (declined: the threshold is {loan_model.decision.threshold!r})" in done.output
    assert all(name in done.output for name in loan_model.schema.feature_names)
    assert all(text in done.output for text in ("loan 17", "key-1", "request-1 (rest)", "High"))
    assert "  1. What the applicant owes" in done.output


def test_a_decision_is_json_for_machines(declined: Decided) -> None:
    shown = json.loads(cli("decision", str(UUID(declined.decision_id)), "--json").output)
    assert (shown["id"], shown["probability"], shown["prediction"]) == (declined.decision_id, declined.pd, 1)
    assert list(shown["inputs"].values()) == declined.features
    assert shown["reasons"][0]["direction"] == "raises the risk"


def test_who_was_not_declined_has_no_reasons_and_a_gap_is_no_value(
    settings: Settings, credit_model: LoanModel, credit_dataset: Dataset
) -> None:
    with_gap = credit_dataset.applicants[np.isnan(credit_dataset.applicants).any(axis=1)][0]
    decided = decide(Answers(credit_model), with_gap.tolist(), pd=0.001)
    record(settings, decided)
    done = cli("decision", decided.decision_id)
    assert "not declined" in done.output
    assert "no value" in done.output
    assert "Reasons" not in done.output


def test_a_reference_does_not_command_the_terminal(settings: Settings, loan_model: LoanModel) -> None:
    decided = decide(Answers(loan_model), reference="\x1b]0;x\x07 ž\n")
    record(settings, decided)
    assert "\\x1b]0;x\\x07" in cli("decision", decided.decision_id).output


def test_a_decision_that_is_not_there_ends_with_2() -> None:
    done = cli("decision", new_decision_id())
    assert done.exit_code == 2
    assert "older than 800 days" in done.output
    assert cli("decision", "17").exit_code == 2


def test_one_decision_is_erased_for_good(declined: Decided) -> None:
    done = cli("erase", "--decision", declined.decision_id)
    assert (done.exit_code, done.output) == (0, "Erased 1 recorded decision.\n")
    assert cli("decision", declined.decision_id).exit_code == 2
    again = cli("erase", "--decision", declined.decision_id)
    assert (again.exit_code, again.output) == (2, "error: There is no record of that: nothing was erased.\n")


def test_every_decision_of_a_reference_is_erased(settings: Settings, declined: Decided, loan_model: LoanModel) -> None:
    other = decide(Answers(loan_model), reference="loan 18")
    record(settings, decide(Answers(loan_model), reference="loan 17"), other)
    assert cli("erase", "--reference", "loan 17").output == "Erased 2 recorded decisions.\n"
    assert cli("decision", declined.decision_id).exit_code == 2
    assert cli("decision", other.decision_id).exit_code == 0


@pytest.mark.parametrize("arguments", [[], ["--reference", ""], ["--decision", "x", "--reference", "y"]])
def test_what_to_erase_must_be_said_once(arguments: list[str]) -> None:
    done = cli("erase", *arguments)
    assert done.exit_code == 2
    assert "give either --decision or --reference" in done.output


COMMANDS = re.findall(r"^loan-default (.*?) *#", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_page_do_what_it_says(declined: Decided, command: str) -> None:
    names = {"ID": declined.decision_id, "REF": declined.reference}
    done = cli(*[names.get(word, word) for word in command.split()])
    assert done.exit_code == 0
    assert (cli("decision", declined.decision_id).exit_code == 0) == command.startswith("decision")


def test_the_page_names_every_part_of_a_record_and_the_limits_of_the_code() -> None:
    assert len(COMMANDS) == 4
    for part in Record.__struct_fields__:
        assert f"`{part}`" in PAGE
    for limit in (
        f"the last {FLUSH_INTERVAL_S:g} s",
        f"{MOST_WAITING:,} decisions",
        f"after {REQUIRED_WAIT_S:g} s",
        f"after {MOST_SEGMENT_BYTES // 2**20} MiB",
        f"`DECISION_LOG_RETENTION_DAYS`, {Settings.model_fields['decision_log_retention_days'].default} by",
    ):
        assert limit in PAGE, limit
    described = next(m.documentation for m in REGISTRY.collect() if m.name == "loan_decision_log_dropped")
    for reason in get_args(Reason):
        assert f"`{reason}`" in PAGE
        assert reason in described


def test_a_log_that_cannot_be_read_ends_with_1(settings: Settings) -> None:
    folder: Path = decisions_folder(settings)
    folder.parent.mkdir()
    folder.write_text("in the way")
    done = cli("decision", new_decision_id())
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "STATE_DIR/decisions cannot be read" in done.output
