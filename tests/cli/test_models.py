"""`evaluate`, `history`, `promote`, `rollback` and `reproduce`: what they print and how they end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from commands import cli

from loan_default import promotion, registry
from loan_default.errors import PromotionRefused
from loan_default.history import Event
from loan_default.model import LoanModel
from loan_default.registry import Registered
from loan_default.served import Served
from loan_default.settings import Settings, Stage
from loan_default.training import reproduce as reproduction
from loan_default.training.fit import Fitted

DATA = Path(__file__).resolve().parents[2] / "data" / "Default_Fin.csv"


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals are not what is tested here."""
    monkeypatch.setattr("loan_default.training.evaluate._RESAMPLES", 30)


class Desk:
    """Stands for `Promotions`: keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.events: list[Event] = []
        self.refusal: str | None = None

    def promote(self, registered: Registered, stage: Stage, reason: str) -> Served:
        self._ask("promote", registered.version, stage, reason)
        return Served(f"loan_default:{registered.version}-c0ffee00", Path())

    def rollback(self, stage: Stage, reason: str) -> Served:
        self._ask("rollback", stage, reason)
        return Served("loan_default:6-c0ffee00", Path())

    def history(self) -> list[Event]:
        return self.events

    def _ask(self, *question: str) -> None:
        if self.refusal:
            raise PromotionRefused(self.refusal)
        self.asked.append(question)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk without stores, whose registry has every version and no version passed the gates of production."""
    found = Desk()

    @contextmanager
    def opened(_: Settings) -> Iterator[Desk]:
        yield found

    monkeypatch.setattr(promotion, "promotions", opened)
    monkeypatch.setattr(registry, "registered_version", lambda _, version: Registered(version, "c0ffee"))
    monkeypatch.setattr(registry, "passed_gates", lambda _settings, _registered, stage: stage == "staging")
    return found


def test_a_version_that_passed_its_gates_is_promoted(desk: Desk) -> None:
    done = cli("promote", "7", "--stage", "staging", "--reason", "a try")
    assert (done.exit_code, desk.asked) == (0, [("promote", "7", "staging", "a try")])
    assert done.stdout == "Version 7 is promoted to staging: loan_default:7-c0ffee00 in the BentoML store.\n"


def test_without_a_reason_a_promotion_is_by_hand_and_to_production(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "passed_gates", lambda *_: True)
    assert cli("promote", "7").exit_code == 0
    assert desk.asked == [("promote", "7", "production", "by hand")]


def test_a_version_that_failed_its_gates_is_not_promoted(desk: Desk) -> None:
    done = cli("promote", "7")
    assert (done.exit_code, desk.asked) == (3, [])
    assert "error: Version 7 did not pass the gates of production; --force" in done.stderr


def test_force_promotes_it_all_the_same_and_the_reason_says_so(desk: Desk) -> None:
    assert cli("promote", "7", "--force", "--reason", "the board").exit_code == 0
    assert desk.asked == [("promote", "7", "production", "forced past its gates: the board")]


def test_however_long_its_reason_the_history_says_that_a_version_was_forced(desk: Desk) -> None:
    from loan_default.history import new_event

    assert cli("promote", "7", "--force", "--reason", "x" * 1000).exit_code == 0
    reason = desk.asked[0][-1]
    assert "forced past its gates" in new_event("promoted", "production", "7", reason, run_id="r").reason


def test_force_without_a_reason_is_refused(desk: Desk) -> None:
    done = cli("promote", "7", "--force")
    assert (done.exit_code, desk.asked) == (3, [])
    assert "Say why with --reason" in done.stderr


@pytest.mark.parametrize(
    ("command", "version"), [(("promote", "7", "--force", "--reason", "x"), "7"), (("rollback",), "6")]
)
def test_what_is_promoted_is_told_to_machines_too(desk: Desk, command: tuple[str, ...], version: str) -> None:
    done = cli(*command, "--json")
    assert len(desk.asked) == 1
    expected = {"stage": "production", "version": version, "model": f"loan_default:{version}-c0ffee00"}
    assert json.loads(done.stdout) == expected


def test_a_rollback_says_where_to(desk: Desk) -> None:
    done = cli("rollback", "--reason", "complaints")
    assert (done.exit_code, desk.asked) == (0, [("rollback", "production", "complaints")])
    assert done.stdout == "Rolled production back to version 6: loan_default:6-c0ffee00 in the BentoML store.\n"


@pytest.mark.parametrize("command", [("promote", "7", "--force", "--reason", "x"), ("rollback",)])
def test_a_refusal_is_one_sentence_and_exit_code_3(desk: Desk, command: tuple[str, ...]) -> None:
    desk.refusal = "A service is running."
    done = cli(*command)
    assert (done.exit_code, done.stdout, done.stderr) == (3, "", "error: A service is running.\n")


@pytest.mark.parametrize("command", [("promote", "7"), ("rollback",), ("evaluate", DATA)])
def test_another_stage_than_ours_is_refused(desk: Desk, command: tuple[object, ...]) -> None:
    assert cli(*command, "--stage", "testing").exit_code == 2
    assert desk.asked == []


def test_an_empty_history_says_so(desk: Desk) -> None:
    assert desk.events == []
    assert cli("history").stdout == "Nothing has been promoted yet.\n"
    assert json.loads(cli("history", "--json").stdout) == []


def test_the_history_is_each_event_with_its_evidence_or_json(desk: Desk) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    told: dict[str, Any] = {"who": "ann", "stage": "production", "reason": "r", "run_id": "c0ffee"}
    desk.events = [
        Event(at=at, action="promoted", version="1", **told),
        Event(
            at=at,
            action="rolled back",
            version="2",
            replaced="3",
            figures={"f1": 0.5},
            data_sha256="d" * 64,
            git_commit="beef-dirty",
            **told,
        ),
    ]
    lines = cli("history").stdout.splitlines()
    assert lines[0::2] == [str(event) for event in desk.events]
    assert lines[1::2] == ["    run c0ffee", "    f1 0.5000; data dddddddddddd, commit beef-dirty, run c0ffee"]
    found = json.loads(cli("history", "--json").stdout)
    assert [Event.model_validate(event) for event in found] == desk.events


def test_the_promoted_model_is_measured_with_intervals(promoted: Served) -> None:
    done = cli("evaluate", DATA)
    assert (done.exit_code, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    assert first == f"{promoted.tag} on 10,000 loans of {DATA}, 333 of which defaulted:"
    assert len(lines) == 10
    assert all("95 % interval" in line for line in lines)


def test_figures_as_json_are_values_within_their_intervals(promoted: Served) -> None:
    content = json.loads(cli("evaluate", DATA, "--json").stdout)
    assert (content["model"], content["rows"], len(content["figures"])) == (promoted.tag, 10_000, 10)
    for name in ("roc_auc", "recall", "f1", "brier"):
        low, high = content["figures"][name]["interval"]
        assert low <= content["figures"][name]["value"] <= high


def test_without_a_promoted_model_nothing_is_measured(promoted: Served) -> None:
    assert promoted.folder.is_dir()
    done = cli("evaluate", DATA, "--stage", "staging")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "No model has been promoted to staging yet" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "nowhere.csv"),
        ("Employed,Bank Balance\n1,2\n", "it lacks the columns"),
        ("Index,Employed,Bank Balance,Annual Salary,Defaulted?\n1,1,2,3,0\n", "a model needs both"),
    ],
)
def test_a_file_that_cannot_be_measured_is_refused(
    promoted: Served, tmp_path: Path, content: str | None, said: str
) -> None:
    assert promoted.folder.is_dir()
    path = tmp_path / "nowhere.csv"
    if content is not None:
        path.write_text(content)
    done = cli("evaluate", path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.fixture
def stored(desk: Desk, promoted: Served, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Every version of the registry is the promoted model."""
    monkeypatch.setattr(registry, "model_files", lambda *_: nullcontext(promoted.model_folder))
    return desk


def test_a_model_that_is_reproduced_is_said_to_be(
    stored: Desk, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduction, "train_again", lambda *_: fitted)
    done = cli("reproduce", "7")
    assert (done.exit_code, stored.asked) == (0, [])
    assert done.stdout.startswith("Version 7 is reproduced to the last bit")


def test_a_model_that_is_not_reproduced_ends_with_3_and_every_difference(
    stored: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduction, "train_again", lambda *_: None)
    monkeypatch.setattr(reproduction, "differences", lambda *_: ["the trees differ", "numpy was 1 and is 2"])
    done = cli("reproduce", "7")
    assert (done.exit_code, done.stdout, stored.asked) == (3, "", [])
    assert done.stderr == "error: Version 7 could not be reproduced: the trees differ; numpy was 1 and is 2.\n"


@pytest.mark.parametrize("different", [[], ["the trees differ"]])
def test_the_comparison_is_told_to_machines_too(
    stored: Desk, monkeypatch: pytest.MonkeyPatch, different: list[str]
) -> None:
    monkeypatch.setattr(reproduction, "train_again", lambda *_: None)
    monkeypatch.setattr(reproduction, "differences", lambda *_: different)
    done = cli("reproduce", "7", "--json")
    assert (done.exit_code, stored.asked) == (3 if different else 0, [])
    found = json.loads(done.stdout)
    assert found == {"version": "7", "run_id": "c0ffee", "differences": different, "reproduced": not different}


def test_a_model_of_another_file_is_not_reproduced(stored: Desk, loan_model: LoanModel) -> None:
    done = cli("reproduce", "7", "--data", DATA)
    assert (done.exit_code, stored.asked) == (2, [])
    assert f"is not the file that this model was trained on (name not recorded, sha256 {'0' * 64})" in done.stderr
    assert loan_model.about.data is None
