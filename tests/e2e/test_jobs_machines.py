"""Several machines: servers with a state folder each, that share Postgres and a mounted folder, and nothing else."""

import time
from pathlib import Path

import httpx
import pytest
from engines import running_postgres
from installation import ROOT, Installation, serving
from job_makers import hand_in, outcome, over, portfolio, wait_for, worker_process
from pydantic import SecretStr

from loan_default.jobs.jobs import Jobs
from loan_default.served import find_served
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

ROWS = 200_000
CONTENT = portfolio(ROWS)
COMMAND = ["bentoml", "serve", "service:LoanDefault"]
_ADOPTED_WITHIN_S = 10


def test_what_one_machine_leaves_another_finishes(installation: Installation, tmp_path: Path) -> None:
    first, second = (installation.copy(tmp_path / name) for name in ("first", "second"))
    storage = tmp_path / "mounted"
    storage.mkdir()
    with running_postgres() as postgres:
        shared = {"DATABASE_URL": postgres.url, "JOB_STORAGE_URL": str(storage), "DECISION_LOG": "off"}
        settings = Settings(
            _env_file=None,
            state_dir=tmp_path / "third",
            database_url=SecretStr(postgres.url),
            job_storage_url=str(storage),
        )
        served = find_served(Settings(_env_file=None, state_dir=first.state), ROOT)
        with (
            Jobs(settings) as jobs,
            serving(COMMAND, {**first.environment, **shared}, ROOT, tmp_path / "log-1") as dying,
            serving(COMMAND, {**second.environment, **shared}, ROOT, tmp_path / "log-3") as surviving,
            worker_process(tmp_path / "fourth", tmp_path / "log-2", **shared) as alone,
        ):
            undisturbed = hand_in(jobs, served, CONTENT, chunk_rows=250)
            wait_for(jobs, undisturbed, over)
            three = [hand_in(jobs, served, CONTENT, chunk_rows=250) for _ in range(3)]
            for job_id in three:  # each of the three workers has one
                wait_for(jobs, job_id, lambda view: view.status == "PROGRESS")
            for process in (*dying.job_workers(), *dying.workers()):
                process.kill()
            dying.process.kill()
            alone.kill()
            killed_at = time.monotonic()
            while len(surviving.logged("goes back into the queue")) < 2:
                assert time.monotonic() < killed_at + _ADOPTED_WITHIN_S
                time.sleep(0.05)
            done = [wait_for(jobs, job_id, over) for job_id in three]
            assert {view.status for view in done} == {"SUCCESS"}
            assert all(outcome(jobs, job_id) == outcome(jobs, undisturbed) for job_id in three)
            assert len(surviving.logged("goes back into the queue")) == 2
            assert httpx.get(surviving.url + "/readyz", timeout=5).status_code == 200
            metrics = surviving.metrics()
    assert metrics['loan_jobs_finished_total{outcome="success"}'] >= 3
    assert metrics['loan_job_rows_total{outcome="scored"}'] > ROWS
    assert metrics['loan_jobs_open{state="waiting"}'] == 0
