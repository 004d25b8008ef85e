"""Runs in a real MLflow store: finished, failed, and killed ones, which the next training closes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from installation import ROOT, environment

from loan_default.settings import Settings
from loan_default.tracking import client, log_trial, training_run

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),  # the business of MLflow and SQLAlchemy
]

# Opens a run and a trial in it, says so, and waits until its input ends.
TRAINING = """
import sys
from loan_default.settings import read_settings
from loan_default.tracking import mlflow_here, training_run
with training_run(read_settings()) as run:
    mlflow = mlflow_here(read_settings())
    trial = mlflow.start_run(nested=True, experiment_id=mlflow.get_run(run).info.experiment_id)
    print(run, trial.info.run_id, flush=True)
    sys.stdin.read()
    mlflow.end_run()
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One store for all tests: making its tables takes seconds."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLFLOW_TRACKING_URI", "")  # set again when the store is opened
        environment.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        environment.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        yield Settings(_env_file=None, state_dir=tmp_path_factory.mktemp("state"), mlflow_tracking_uri=None)


@contextmanager
def training_elsewhere(settings: Settings) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A training in another process, and the ids of its run and its trial."""
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING],
        cwd=ROOT,
        env=environment(settings.state),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().split()
    finally:
        process.kill()
        process.communicate()


def statuses(settings: Settings, runs: list[str]) -> list[str]:
    return [str(client(settings).get_run(run).info.status) for run in runs]


def signs(settings: Settings) -> list[str]:
    return [path.name for path in (settings.state / "running").iterdir() if path.name != ".lock"]


def test_a_training_that_ends_leaves_a_finished_run_and_nothing_else(state: Settings) -> None:
    with training_run(state) as run:
        assert signs(state) == [run]
        log_trial(state, "trial 0", {"trees": 5}, {"log_loss": 0.1}, None)
        log_trial(state, "trial 1", {"trees": 6}, {}, "too few rows")
    assert (statuses(state, [run]), signs(state)) == (["FINISHED"], [])
    experiment = client(state).get_run(run).info.experiment_id
    trials = client(state).search_runs([experiment], f"tags.mlflow.parentRunId = '{run}'")
    assert sorted(each.data.tags.get("failure", "none") for each in trials) == ["none", "too few rows"]


def test_a_training_that_fails_leaves_a_failed_run(state: Settings) -> None:
    with pytest.raises(KeyboardInterrupt), training_run(state) as run:
        raise KeyboardInterrupt
    assert (statuses(state, [run]), signs(state)) == (["FAILED"], [])


def test_the_run_of_a_killed_training_and_its_open_trial_are_closed_by_the_next_one(state: Settings) -> None:
    with training_elsewhere(state) as (process, runs):
        process.kill()
        process.wait()
        assert statuses(state, runs) == ["RUNNING", "RUNNING"]
        with training_run(state) as own:
            assert statuses(state, [*runs, own]) == ["KILLED", "KILLED", "RUNNING"]
    assert signs(state) == []


def test_a_training_that_is_going_on_is_left_alone(state: Settings) -> None:
    with training_elsewhere(state) as (process, runs):
        with training_run(state):
            assert statuses(state, runs) == ["RUNNING", "RUNNING"]
        assert signs(state) == [runs[0]]
        process.communicate("")
        assert (process.returncode, statuses(state, runs)) == (0, ["FINISHED", "FINISHED"])


def test_a_killed_run_that_is_in_no_store_any_more_stops_nobody(state: Settings) -> None:
    (state.state / "running").mkdir(exist_ok=True)
    (state.state / "running" / ("0" * 32)).touch()
    with training_run(state):
        pass
    assert signs(state) == []
