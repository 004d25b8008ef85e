"""Promotions by command: champion and challenger, rollback, history, and what a kill -9 leaves behind."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from installation import ROOT, Installation

from loan_default.served import find_served
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

ALIASES = """
import json
from loan_default.served import REGISTERED_NAME
from loan_default.tracking import client
from loan_default.settings import read_settings
aliases = client(read_settings()).get_registered_model(REGISTERED_NAME).aliases
print(json.dumps({stage: str(version) for stage, version in aliases.items()}))
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Two versions, the second promoted over the first, and a third that fails a gate."""
    installation = Installation(tmp_path_factory.mktemp("two"))
    poor = ("--smote-ratio", "1", "--recall-floor", "0.3")
    for options, code in (((), 0), (("--seed", "1"), 0), (poor, 3)):
        done = installation.run(sys.executable, "train.py", *options)
        assert done.returncode == code, done.stderr
    return installation


def events(installation: Installation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(installation.run("loan-default", "history", "--json").stdout)
    return found


def told(installation: Installation) -> list[tuple[str, str, str]]:
    return [(event["version"], event["action"], event["stage"]) for event in events(installation)]


def in_production(installation: Installation) -> str:
    return find_served(Settings(_env_file=None, state_dir=installation.state), ROOT).version


def test_the_history_tells_who_when_why_and_with_what(two: Installation) -> None:
    found = told(two)
    assert found[:4] == [(version, "promoted", stage) for version in "12" for stage in ("production", "staging")]
    assert ("3", "refused", "production") in found
    first, second = (next(event for event in events(two) if event["version"] == version) for version in "12")
    assert second["replaced"] == "1"
    assert "rows neither has seen" in second["reason"]
    assert first["who"]
    assert len(first["data_sha256"]) == 64
    assert first["figures"]["roc_auc"] > 0.9
    assert first["at"] < second["at"]


def test_rollback_goes_back_one_version_at_a_time_and_then_says_that_there_is_none(two: Installation) -> None:
    assert two.run("loan-default", "promote", "2").returncode == 0
    before = in_production(two)
    done = two.run("loan-default", "rollback", "--reason", "complaints")
    assert (before, done.returncode, in_production(two)) == ("2", 0, "1")
    assert events(two)[-1]["reason"] == "complaints"
    assert two.run("loan-default", "rollback").returncode == 3
    assert in_production(two) == "1"


def test_promoting_twice_is_one_event(two: Installation) -> None:
    assert two.run("loan-default", "promote", "2").returncode == 0
    before = told(two)
    assert two.run("loan-default", "promote", "2").returncode == 0
    assert told(two) == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("promote", "99"), 2, "There is no version '99'"),
        (("promote", "3"), 3, "did not pass the gates of production"),
        (("promote", "latest"), 2, "There is no version 'latest'"),
    ],
)
def test_a_promotion_that_must_not_be_is_refused(
    two: Installation, arguments: tuple[str, ...], code: int, said: str
) -> None:
    before = in_production(two)
    done = two.run("loan-default", *arguments)
    assert (done.returncode, in_production(two)) == (code, before)
    assert said in done.stderr


def test_an_alias_moved_in_mlflow_itself_is_followed_and_told(two: Installation) -> None:
    two.run("loan-default", "promote", "2")
    two.python(
        "from loan_default.served import REGISTERED_NAME\nfrom loan_default.tracking import client\n"
        "from loan_default.settings import read_settings\n"
        "client(read_settings()).set_registered_model_alias(REGISTERED_NAME, 'production', '1')"
    )
    assert in_production(two) == "2"
    assert "moved in MLflow itself" in two.run("loan-default", "history").stdout.splitlines()[-2]
    assert in_production(two) == "1"


@pytest.fixture(scope="module")
def command_s(two: Installation) -> float:
    """How long a promotion takes on this machine, in seconds."""
    started = time.monotonic()
    assert two.run("loan-default", "promote", "2").returncode == 0
    return time.monotonic() - started


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_killed_at_any_moment_registry_history_and_store_agree_after_the_next_command(
    two: Installation, command_s: float, command: str, attempt: int
) -> None:
    for version in "12":  # so that there is something to go back to
        assert two.run("loan-default", "promote", version).returncode == 0
    arguments = ["promote", "1"] if command == "promote" else ["rollback"]
    process = subprocess.Popen(
        ["loan-default", *arguments], cwd=ROOT, env=two.environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(random.Random(f"{command} {attempt}").uniform(0.5, 1.0) * command_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    served = in_production(two)  # old or new, and whole
    assert served in {"1", "2"}
    last = [event for event in events(two) if event["stage"] == "production" and event["action"] != "refused"][-1]
    aliases = json.loads(two.python(ALIASES))
    assert aliases["production"] == last["version"] == in_production(two)
    assert two.run("loan-default", "promote", "2").returncode == 0  # whatever it was, the next promotion succeeds


@pytest.mark.slow
def test_reproducing_a_model_leaves_nothing_behind_whether_it_is_killed_or_not(two: Installation) -> None:
    def left() -> dict[Path, str]:
        files = [path for path in two.state.rglob("*") if path.is_file()]
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = left()
    started = time.monotonic()
    assert two.run("loan-default", "reproduce", "2").returncode == 0
    taken = time.monotonic() - started
    assert left() == before
    for share in (0.5, 0.9):
        process = subprocess.Popen(
            ["loan-default", "reproduce", "2"], cwd=ROOT, env=two.environment, start_new_session=True
        )
        time.sleep(share * taken)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert left() == before


def test_the_same_training_is_reproduced_bit_by_bit_and_another_file_is_refused(
    two: Installation, tmp_path: Path
) -> None:
    run = next(event["run_id"] for event in events(two) if event["version"] == "2")
    done = two.run("loan-default", "reproduce", run)
    assert (done.returncode, done.stderr) == (0, "")
    assert "reproduced to the last bit" in done.stdout
    (tmp_path / "other.csv").write_text((ROOT / "data" / "Default_Fin.csv").read_text() + "10001,1,1,1,0\n")
    other = two.run("loan-default", "reproduce", "2", "--data", str(tmp_path / "other.csv"))
    assert other.returncode == 2
    assert "is not the file that this model was trained on (Default_Fin.csv" in other.stderr


def test_the_promoted_model_is_measured_on_a_file(two: Installation) -> None:
    done = two.run("loan-default", "evaluate", "data/Default_Fin.csv", "--json")
    content = json.loads(done.stdout)
    low, high = content["figures"]["roc_auc"]["interval"]
    assert content["rows"] == 10_000
    assert low < content["figures"]["roc_auc"]["value"] < high
    assert "the figures flatter it" in done.stderr


def test_two_trainings_at_once_corrupt_nothing(tmp_path: Path) -> None:
    both = Installation(tmp_path)
    processes = [
        subprocess.Popen(
            [sys.executable, "train.py", "--seed", str(seed)],
            cwd=ROOT,
            env=both.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for seed in (1, 2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    assert {version for version, action, stage in told(both) if stage == "production"} == {"1", "2"}
    assert json.loads(both.python(ALIASES))["production"] == in_production(both)
