"""`loan-default jobs`: what a person at a terminal does with bulk jobs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from commands import cli
from job_makers import portfolio

from loan_default.jobs.worker import Worker
from loan_default.served import Served
from loan_default.settings import Settings


@pytest.fixture(autouse=True)
def state(settings: Settings, promoted: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's own settings are the test's."""
    assert promoted
    monkeypatch.setenv("STATE_DIR", str(settings.state))


@pytest.fixture
def worker(settings: Settings) -> Iterator[None]:
    """Works on what is handed in."""
    running = Worker(settings)
    running.start()
    yield
    running.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "may.csv"
    path.write_bytes(portfolio(2_000))
    return path


def submitted(file: Path) -> str:
    done = cli("jobs", "submit", file)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


@pytest.mark.usefixtures("worker")
def test_a_portfolio_is_handed_in_followed_and_fetched(file: Path, tmp_path: Path) -> None:
    job_id = submitted(file)
    followed = cli("jobs", "follow", job_id)
    assert followed.exit_code == 0
    assert "SUCCESS" in followed.stdout
    assert cli("jobs", "download", job_id, "-o", tmp_path / "scored.parquet").exit_code == 0
    assert pq.read_table(tmp_path / "scored.parquet").num_rows == 1_998
    assert cli("jobs", "download", job_id, "-o", tmp_path / "bad.csv", "--what", "rejects.csv").exit_code == 0
    assert len((tmp_path / "bad.csv").read_text().splitlines()) == 3
    assert not list(tmp_path.glob("*.part"))


def test_a_job_asks_for_the_live_window_where_there_is_one(
    file: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = cli("jobs", "submit", file, "--live-drift")
    assert done.exit_code == 0, done.output
    kept = settings.jobs / "files" / done.stdout.strip() / "job.json"
    assert json.loads(kept.read_text())["live_drift"] is True
    monkeypatch.setenv("DRIFT_MONITOR", "off")
    refused = cli("jobs", "submit", file, "--live-drift")
    assert (refused.exit_code, "DRIFT_MONITOR is off" in refused.stderr) == (2, True)


def test_jobs_are_listed_for_people_and_for_machines(file: Path) -> None:
    jobs = [submitted(file), submitted(file)]
    assert [line.split()[0] for line in cli("jobs").stdout.splitlines()] == jobs[::-1]
    listed = json.loads(cli("jobs", "--most", 1, "--json").stdout)
    assert [(job["job_id"], job["status"]) for job in listed] == [(jobs[1], "PENDING")]


def test_a_job_is_cancelled_retried_and_erased(file: Path) -> None:
    job_id = submitted(file)
    assert "CANCELLED" in cli("jobs", "cancel", job_id).stdout
    assert cli("jobs", "follow", job_id).exit_code == 1
    assert "PENDING" in cli("jobs", "retry", job_id).stdout
    assert cli("jobs", "erase", job_id).exit_code == 0
    assert cli("jobs", "show", job_id).exit_code == 2
    assert cli("jobs").stdout == ""


@pytest.mark.parametrize("command", ["show", "follow", "cancel", "retry", "erase"])
def test_a_job_that_is_not_there_is_said(command: str) -> None:
    done = cli("jobs", command, "0" * 32)
    assert done.exit_code == 2
    assert "no such job" in done.stderr


def test_results_that_are_not_there_are_said_and_leave_no_file(file: Path, tmp_path: Path) -> None:
    done = cli("jobs", "download", submitted(file), "-o", tmp_path / "scored.parquet")
    assert done.exit_code == 2
    assert "no results yet" in done.stderr
    assert not (tmp_path / "scored.parquet").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("may.xlsx", b"x", "must end in"),
        ("may.csv", b"a,b\n1,2\n", "lacks"),
        ("none.csv", None, "There is no file none.csv"),
    ],
)
def test_what_cannot_be_scored_is_refused_and_leaves_nothing(
    tmp_path: Path, settings: Settings, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = cli("jobs", "submit", tmp_path / name)
    assert done.exit_code == 2
    assert said in done.stderr
    assert str(tmp_path) not in done.stderr
    files = settings.jobs / "files"
    assert not files.exists() or not list(files.iterdir())
