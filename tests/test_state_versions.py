"""What another version of loan-default wrote: read as it was meant, migrated, or refused in words; never misread.

docs/state.md has a row for each kind of file; its last column names the test here.
"""

import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decisions import Answers, decide, lines
from engines import running_postgres
from installation import ROOT
from job_makers import hand_in, over, portfolio, wait_for
from portfolios import never, nobody, ordered, work_on
from pydantic import SecretStr
from samples import introduction

from drift.monitor import Monitor
from loan_default import history
from loan_default.bulk.local import LocalJob
from loan_default.bulk.order import Written
from loan_default.bulk.run import run
from loan_default.checksums import write_checksums
from loan_default.decision_log.archive import open_archive
from loan_default.decision_log.files import FileStore
from loan_default.decision_log.postgres import PostgresStore
from loan_default.decision_log.record import decode_record
from loan_default.decision_log.segments import decisions_folder, segments
from loan_default.errors import (
    BulkInputError,
    DecisionLogUnavailable,
    JobUnreadable,
    KeysFileError,
    ModelFileError,
    ModelUnavailable,
)
from loan_default.jobs.database import JOB_FORMAT, JobDatabase
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.worker import Worker
from loan_default.model import LoanModel
from loan_default.security.keys_file import read_keys
from loan_default.served import Served, pointed
from loan_default.settings import Settings


def edited(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def of_format_2(content: dict[str, Any]) -> None:
    content["format"] = 2


# Pointers of promotions.


def test_a_pointer_without_a_format_is_of_the_first(settings: Settings, promoted: Served) -> None:
    pointer = settings.state / "served" / "production.json"
    edited(pointer, lambda content: content.pop("format", None))
    assert pointed(settings, "production") == promoted


def test_a_later_pointer_is_refused(settings: Settings, promoted: Served) -> None:
    edited(settings.state / "served" / "production.json", of_format_2)
    with pytest.raises(ModelUnavailable, match="of format 2, of another version of loan-default"):
        pointed(settings, "production")
    assert promoted.model_folder.is_dir()


# Models.


@pytest.fixture
def model_folder(loan_model: LoanModel, tmp_path: Path) -> Path:
    loan_model.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_model_of_before_there_was_a_reference_is_read(model_folder: Path) -> None:
    (model_folder / "reference.json").unlink()
    names = [path.name for path in model_folder.iterdir() if path.name != "checksums.json"]
    write_checksums(model_folder, names)
    assert LoanModel.load(model_folder).reference is None
    assert "format" not in json.loads((model_folder / "about.json").read_text())


@pytest.mark.parametrize("name", ["about.json", "reference.json"])
def test_a_later_model_is_refused(model_folder: Path, name: str) -> None:
    edited(model_folder / name, of_format_2)
    write_checksums(model_folder, [path.name for path in model_folder.iterdir() if path.name != "checksums.json"])
    with pytest.raises(ModelFileError, match=f"{name} of the stored model cannot be read by this version"):
        LoanModel.load(model_folder)


def test_a_models_file_with_something_unknown_is_refused(model_folder: Path) -> None:
    edited(model_folder / "decision.json", lambda content: content.update(appeal=True))
    write_checksums(model_folder, [path.name for path in model_folder.iterdir() if path.name != "checksums.json"])
    with pytest.raises(ModelFileError, match=r"decision\.json of the stored model cannot be read by this version"):
        LoanModel.load(model_folder)


# Recorded decisions.


@pytest.fixture
def answers(loan_model: LoanModel) -> Answers:
    return Answers(loan_model)


def test_a_later_record_is_said_to_be_unreadable_and_not_to_be_absent(settings: Settings, answers: Answers) -> None:
    folder = decisions_folder(settings)
    later, mine = decide(answers, reference="loan 7"), decide(answers, reference="loan 7")
    store = FileStore(folder, most_bytes=2**30, retention_days=800)
    store.write(lines([later, mine]), durable=False)
    store.close()
    [segment] = segments(folder)
    first, second = segment.path.read_bytes().splitlines()
    assert b'"format"' not in first
    assert decode_record(first).id == later.decision_id
    segment.path.write_bytes(first[:-1] + b',"format":2,"appeal":true}\n' + second + b"\n")
    with open_archive(settings) as archive:
        with pytest.raises(DecisionLogUnavailable, match=r"1 records in .* cannot be read by this version"):
            archive.find(later.decision_id)
        with pytest.raises(DecisionLogUnavailable, match="cannot be read by this version"):
            archive.erase_decision(later.decision_id)
        found = archive.find(mine.decision_id)
    assert found is not None
    assert found.id == mine.decision_id


def test_erasing_a_reference_erases_what_it_can_read_and_tells_of_the_rest(
    settings: Settings, answers: Answers
) -> None:
    decided = [decide(answers, reference="loan 7") for _ in range(3)]
    store = FileStore(decisions_folder(settings), most_bytes=2**30, retention_days=800)
    store.write(lines(decided), durable=False)
    store.close()
    [segment] = segments(decisions_folder(settings))
    first, *others = segment.path.read_bytes().splitlines(keepends=True)
    segment.path.write_bytes(first.replace(b"}\n", b',"format":2}\n') + b"".join(others))
    with open_archive(settings) as archive:
        with pytest.raises(DecisionLogUnavailable, match="1 records in "):
            archive.erase_reference("loan 7")
        assert [archive.find(one.decision_id) for one in decided[1:]] == [None, None]
    assert segment.path.read_bytes().count(b"loan 7") == 1


@pytest.mark.integration
def test_a_later_record_in_postgres_is_said_to_be_unreadable(settings: Settings, answers: Answers) -> None:
    decided = decide(answers)
    with running_postgres() as server:
        url = SecretStr(server.url)
        store = PostgresStore(url, 800, FileStore(decisions_folder(settings), most_bytes=2**30, retention_days=800))
        store.write(lines([decided]), durable=True)
        store.close()
        server.query("UPDATE loan_default_decisions SET record = (record::jsonb || '{\"format\": 2}')::json")
        with_database = settings.model_copy(update={"database_url": url})
        with open_archive(with_database) as archive, pytest.raises(DecisionLogUnavailable, match="cannot be read by"):
            archive.find(decided.decision_id)


# Jobs.


def test_a_job_of_a_later_format_is_left_alone_and_not_taken(settings: Settings, promoted: Served) -> None:
    with Jobs(settings) as jobs:
        job_id, next_one = hand_in(jobs, promoted, portfolio(10)), hand_in(jobs, promoted, portfolio(10))
        with sqlite3.connect(settings.jobs / "jobs.sqlite") as queue:
            queue.execute(
                "UPDATE workflow_status SET application_version = 'job-format-2' WHERE workflow_uuid = ?", (job_id,)
            )
        queue.close()
        worker = Worker(settings)
        worker.start()
        assert wait_for(jobs, next_one, over).status == "SUCCESS"
        worker.stop()
        view = jobs.view(job_id)
    assert view is not None
    assert view.status == "PENDING"
    assert JOB_FORMAT == "job-format-1"


def test_a_jobs_later_description_is_refused(settings: Settings, promoted: Served) -> None:
    with Jobs(settings) as jobs:
        job_id = hand_in(jobs, promoted, portfolio(10))
        description = json.loads(jobs.folder(job_id).read("job.json"))
        assert "traceparent" not in description  # versions of before do not know of it
        description["inspected"]["order"]["format"] = 2
        jobs.folder(job_id).write("job.json", json.dumps(description).encode())
        with pytest.raises(JobUnreadable, match="of another version"):
            jobs.job(job_id)
        worker = Worker(settings)
        worker.start()
        failed = wait_for(jobs, job_id, over)
        worker.stop()
    assert failed.status == "FAILURE"
    assert "of another version" in str(failed.error)


def test_a_later_standing_of_a_job_is_refused_and_hides_no_other(
    settings: Settings, promoted: Served, logged: list[str]
) -> None:
    with Jobs(settings) as jobs:
        later, mine = hand_in(jobs, promoted, portfolio(10)), hand_in(jobs, promoted, portfolio(10))
        database = JobDatabase(settings)
        database.client().update_workflow_attributes(later, {"appeal": True}, merge=True)
        database.close()
        with pytest.raises(JobUnreadable):
            jobs.view(later)
        assert [view.job_id for view in jobs.views(None, 10)] == [mine]
    assert any("A job is left out" in line for line in logged)


def test_a_later_summary_of_a_job_is_refused_and_not_scored_over(loan_model: LoanModel, tmp_path: Path) -> None:
    source, folder = tmp_path / "portfolio.csv", tmp_path / "job"
    source.write_bytes(portfolio(10))
    work = work_on(source, folder, loan_model, ordered(source, loan_model))
    assert run(work, nobody, never).rows == 10
    assert "format" not in json.loads((folder / "summary.json").read_text())
    edited(folder / "summary.json", of_format_2)
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(JobUnreadable):
        run(work, nobody, never)
    assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_part_of_another_format_is_made_again(loan_model: LoanModel, tmp_path: Path) -> None:
    source, folder = tmp_path / "portfolio.csv", tmp_path / "job"
    source.write_bytes(portfolio(10))
    work = work_on(source, folder, loan_model, ordered(source, loan_model))
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "000000.part").write_bytes(b"0" * 100 + b"LOANPRT2")
    assert run(work, nobody, never).rows == 10


def test_a_work_folder_of_another_version_is_in_the_way(loan_model: LoanModel, tmp_path: Path) -> None:
    source = tmp_path / "portfolio.csv"
    source.write_bytes(portfolio(10))
    job = LocalJob(source, tmp_path / "scored.csv", Written(kind="csv"), False, loan_model, "7")
    with job.alone():
        job.prepare()
        edited(job.work_folder / "job.json", lambda content: content.update(appeal=True))
        with pytest.raises(BulkInputError, match="was not made by this version of loan-default"):
            job.prepare()


# The drift monitor's windows.


def test_a_later_window_is_set_aside_and_not_compared(
    settings: Settings, loan_model: LoanModel, logged: list[str]
) -> None:
    monitor = Monitor(settings, 0.0)
    monitor.introduce(introduction(loan_model), 0.0)
    monitor.close()
    [kept] = settings.drift.rglob("watch.json")
    edited(kept, of_format_2)
    resumed = Monitor(settings, 1.0)
    assert resumed.verdict().status == "waiting"
    resumed.close()
    assert any("it is set aside" in line for line in logged)


def test_a_window_of_other_rows_is_set_aside(settings: Settings, loan_model: LoanModel, logged: list[str]) -> None:
    monitor = Monitor(settings, 0.0)
    monitor.introduce(introduction(loan_model), 0.0)
    monitor.close()
    [window] = settings.drift.rglob("window.npy")
    np.save(window, np.zeros(100))
    Monitor(settings, 1.0).close()
    assert any("it is set aside" in line for line in logged)


# Keys.


def test_a_keys_file_with_another_kind_of_hash_is_refused(tmp_path: Path) -> None:
    keys = tmp_path / "api_keys"
    keys.write_text("analyst score argon2id:c29tZXRoaW5n\n")
    keys.chmod(0o600)
    with pytest.raises(KeysFileError, match="line 1: the hash must be sha256"):
        read_keys(keys)


# The history of promotions.


class Registry:
    """MLflow's client, as far as the history is concerned."""

    def __init__(self, *events: str) -> None:
        self.tags = {f"history.2026010{i}T030405.500000.00000000": event for i, event in enumerate(events)}

    def search_registered_models(self, _: str) -> "list[Registry]":
        return [self]


def test_events_of_a_later_version_are_counted_so_that_nobody_rolls_back_past_them() -> None:
    mine = history.new_event("promoted", "production", "1", "good", run_id="r").model_dump_json(exclude_none=True)
    later = json.dumps({**json.loads(mine), "version": "2", "format": 2})
    assert [event.version for event in history.read(Registry(mine, later))] == ["1"]
    assert (history.unreadable(Registry(mine, later)), history.unreadable(Registry(mine))) == (1, 0)


# The page that says so.


def test_the_page_on_state_names_tests_that_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "state.md").read_text()))
    text = Path(__file__).read_text() + (ROOT / "tests" / "promotion" / "test_promotion.py").read_text()
    assert {name for name in named if f"def {name}(" not in text} == set()
    here = set(re.findall(r"^def (test_\w+)\(", Path(__file__).read_text(), re.MULTILINE))
    assert here - named == {"test_the_page_on_state_names_tests_that_exist"}
