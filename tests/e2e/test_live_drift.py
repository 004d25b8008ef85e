"""Jobs of a real server and the live window: in it only if asked, once, and never at the job's cost."""

import csv
import io
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installation import KEY, ROOT, Installation, Server, serving
from job_makers import hand_in, over, portfolio, wait_for, worker_process

from loan_default.bulk.summary import Summary
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.live_drift import MARK
from loan_default.served import Served, find_served
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

SERVE = ["bentoml", "serve", "service:LoanDefault"]
SAMPLED = {"DRIFT_SAMPLING_RATE": "1", "DRIFT_CHECK_INTERVAL_S": "0.5"}
TAKEN = 'loan_drift_samples_total{stage="production"}'
WINDOW = 1_000
ROWS = 200_000
# One row of about a thousand is bad, and never more than a few of a window.
LEAST = WINDOW - 10
# BentoML looks for dead processes every 10 s, and starting one takes a few more.
_BACK_WITHIN_S = 60


@pytest.fixture
def copied(installation: Installation, tmp_path: Path) -> Installation:
    """An installation of one's own."""
    return installation.copy(tmp_path / "state")


@pytest.fixture
def served(copied: Installation) -> Served:
    """The model that it serves."""
    return find_served(Settings(_env_file=None, state_dir=copied.state), ROOT)


@pytest.fixture
def jobs(copied: Installation) -> Iterator[Jobs]:
    """Its jobs."""
    with Jobs(Settings(_env_file=None, state_dir=copied.state)) as opened:
        yield opened


@pytest.fixture
def server(copied: Installation, tmp_path: Path) -> Iterator[Server]:
    """A server of it, whose monitor is told of everything that may be told."""
    with serving(SERVE, {**copied.environment, **SAMPLED}, ROOT, tmp_path / "log") as running:
        yield running


def shifted(rows: int) -> bytes:
    """A portfolio whose applicants owe half as much again."""
    text = io.StringIO()
    with (ROOT / "data" / "Default_Fin.csv").open() as file:
        known = list(csv.DictReader(file))[:rows]
    writer = csv.writer(text)
    writer.writerow(["employed", "bank_balance", "annual_salary"])
    writer.writerows([one["Employed"], 1.5 * float(one["Bank Balance"]), one["Annual Salary"]] for one in known)
    return text.getvalue().encode()


def verdict(server: Server) -> dict[str, Any]:
    with server.client() as client:
        found: dict[str, Any] = client.get("/api/v1/drift").json()["data"]
    return found


def submit(server: Server, content: bytes, **data: str) -> str:
    with server.client() as client:
        answer = client.post("/api/v1/predict/batch/file", files={"file": ("p.csv", content)}, data=data)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["job_id"]
    return job_id


def summary_of(jobs: Jobs, job_id: str) -> Summary:
    return Summary.model_validate_json(jobs.folder(job_id).read("summary.json"))


def test_a_shifted_portfolio_raises_the_alarm_if_asked_and_otherwise_does_not(server: Server, jobs: Jobs) -> None:
    quiet = submit(server, shifted(5_000))
    wait_for(jobs, quiet, over)
    summary = summary_of(jobs, quiet)
    assert summary.drift is not None
    assert summary.drift["bank_balance"].drifted  # the job says so of itself
    assert summary.live_samples is None
    time.sleep(2)
    assert verdict(server)["status"] == "waiting"
    asked = submit(server, shifted(5_000), live_drift="true")
    wait_for(jobs, asked, over)
    assert summary_of(jobs, asked).live_samples == WINDOW
    end = time.monotonic() + 10
    while (found := verdict(server))["status"] != "drift":
        assert time.monotonic() < end, found
        time.sleep(0.1)
    assert (found["window"]["samples"], found["columns"]["bank_balance"]["drifted"]) == (WINDOW, True)
    assert not found["columns"]["employed"]["drifted"]
    assert server.metrics()[TAKEN] == WINDOW


def test_after_the_worker_is_killed_in_the_middle_no_row_counts_twice(
    server: Server, jobs: Jobs, served: Served
) -> None:
    job_id = hand_in(jobs, served, portfolio(ROWS), chunk_rows=250, live_drift=True)
    wait_for(jobs, job_id, lambda view: view.completed > ROWS / 10)
    [worker] = server.job_workers()
    worker.kill()
    done = wait_for(jobs, job_id, over, within_s=_BACK_WITHIN_S)
    assert (done.status, done.completed + done.rejected) == ("SUCCESS", ROWS)
    assert len(set(server.logged("The job starts"))) == 2
    taken = summary_of(jobs, job_id).live_samples
    assert taken is not None
    assert LEAST <= taken <= WINDOW
    assert server.metrics()[TAKEN] == taken


def test_after_the_worker_is_killed_while_it_hands_over_no_row_counts_twice(
    server: Server, jobs: Jobs, served: Served
) -> None:
    [monitor] = server.drift_monitors()
    [worker] = server.job_workers()
    monitor.send_signal(signal.SIGSTOP)
    try:
        job_id = hand_in(jobs, served, portfolio(10_000), live_drift=True)
        end = time.monotonic() + 30
        while MARK not in jobs.folder(job_id).names():
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.5)  # the rows lie in the socket, nobody has read them
        worker.kill()
    finally:
        monitor.send_signal(signal.SIGCONT)
    assert wait_for(jobs, job_id, over, within_s=_BACK_WITHIN_S).status == "SUCCESS"
    assert summary_of(jobs, job_id).live_samples == 0  # nobody knows
    assert server.metrics().get(TAKEN, 0) <= WINDOW
    again = hand_in(jobs, served, portfolio(10_000), live_drift=True)
    wait_for(jobs, again, over)
    assert LEAST <= (summary_of(jobs, again).live_samples or 0) <= WINDOW


def test_a_hung_monitor_holds_no_job_up(server: Server, jobs: Jobs, served: Served) -> None:
    [monitor] = server.drift_monitors()
    monitor.send_signal(signal.SIGSTOP)
    try:
        job_id = hand_in(jobs, served, portfolio(10_000), live_drift=True)
        assert wait_for(jobs, job_id, over, within_s=30).status == "SUCCESS"
    finally:
        monitor.send_signal(signal.SIGCONT)
    assert summary_of(jobs, job_id).live_samples == 0
    assert LEAST <= server.metrics()['loan_drift_samples_dropped_total{reason="unreachable"}'] <= WINDOW


def test_a_worker_elsewhere_reaches_a_monitor_by_its_address_and_key(
    copied: Installation, jobs: Jobs, served: Served, tmp_path: Path
) -> None:
    secret = {**SAMPLED, "DRIFT_KEY": "a-secret-of-the-monitor"}
    alone = {
        **copied.environment,
        **secret,
        "STATE_DIR": str(tmp_path / "alone"),
        "BENTOML_HOME": str(tmp_path / "home"),
    }
    with serving(["bentoml", "serve", "drift.service:DriftMonitor"], alone, ROOT, tmp_path / "log") as monitor:
        with worker_process(copied.state, tmp_path / "log-worker", **secret, DRIFT_URL=monitor.url):
            job_id = hand_in(jobs, served, portfolio(10_000), live_drift=True)
            assert wait_for(jobs, job_id, over).status == "SUCCESS"
        taken = monitor.metrics()[TAKEN]
    assert LEAST <= taken == summary_of(jobs, job_id).live_samples


def test_the_command_hands_in_a_job_that_asks(server: Server, copied: Installation, jobs: Jobs, tmp_path: Path) -> None:
    file = tmp_path / "may.csv"
    file.write_bytes(shifted(3_000))
    done: subprocess.CompletedProcess[str] = copied.run("loan-default", "jobs", "submit", str(file), "--live-drift")
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip()
    wait_for(jobs, job_id, over)
    assert summary_of(jobs, job_id).live_samples == WINDOW
    assert server.metrics()[TAKEN] == WINDOW
    assert KEY not in done.stdout
