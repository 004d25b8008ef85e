"""Workers that are killed: their jobs are finished all the same, by themselves or by others, each row once.

`KILLS` in the environment sets how often; CI takes the short form.
"""

import os
import random
import signal
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from job_makers import hand_in, kill, outcome, over, portfolio, start_worker, wait_for, worker_process

from loan_default.jobs.jobs import Jobs
from loan_default.served import Served
from loan_default.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.slow]

KILLS = int(os.environ.get("KILLS", "6"))
ROWS = 60_000
CONTENT = portfolio(ROWS)
_ADOPTED_WITHIN_S = 10


def variables(settings: Settings) -> dict[str, str]:
    """What a worker process must be told beside the state folder."""
    return {"DATABASE_URL": settings.database_url.get_secret_value()} if settings.database_url else {}


def test_a_job_survives_kills_at_any_moment_byte_for_byte(settings: Settings, promoted: Served, tmp_path: Path) -> None:
    log, chance = tmp_path / "log", random.Random(7)
    with Jobs(settings) as jobs:
        undisturbed = hand_in(jobs, promoted, CONTENT, chunk_rows=100)
        with worker_process(settings.state, log):
            wait_for(jobs, undisturbed, over)
        kills = 0
        while kills < KILLS:
            job_id = hand_in(jobs, promoted, CONTENT, chunk_rows=100)
            while True:
                with worker_process(settings.state, log) as process:
                    wait_for(jobs, job_id, lambda view: view.status != "PENDING")
                    time.sleep(chance.uniform(0, 1.5))
                    kill(process)
                    kills += 1
                view = jobs.view(job_id)
                assert view is not None
                if kills >= KILLS or over(view):
                    break
            with worker_process(settings.state, log):
                assert wait_for(jobs, job_id, over).status == "SUCCESS"
            assert outcome(jobs, job_id) == outcome(jobs, undisturbed)
        results = pq.read_table(jobs.folder(job_id).place("results.parquet").path)
    rejected = ROWS // 1003 + 1
    assert results.num_rows == ROWS - rejected
    assert len(set(results.column("Index").to_pylist())) == ROWS - rejected


def test_another_worker_adopts_the_job_of_a_dead_one_once(
    each_engine: Settings, promoted: Served, tmp_path: Path
) -> None:
    extra = variables(each_engine)
    logs = [tmp_path / f"log-{number}" for number in range(3)]
    workers = [start_worker(each_engine.state, log, **extra) for log in logs]
    try:
        with Jobs(each_engine) as jobs:
            job_id = hand_in(jobs, promoted, CONTENT, chunk_rows=50)
            wait_for(jobs, job_id, lambda view: view.completed > 0)
            (owner,) = [number for number, log in enumerate(logs) if "The job starts" in log.read_text()]
            workers[owner].send_signal(signal.SIGKILL)
            killed_at = time.monotonic()
            others = [log for number, log in enumerate(logs) if number != owner]
            while not any("The job starts" in log.read_text() for log in others):
                assert time.monotonic() < killed_at + _ADOPTED_WITHIN_S
                time.sleep(0.05)
            done = wait_for(jobs, job_id, over)
    finally:
        for process in workers:
            kill(process)
    assert (done.status, done.completed + done.rejected) == ("SUCCESS", ROWS)
    said = "".join(log.read_text() for log in others)
    assert (said.count("goes back into the queue"), said.count("The job starts")) == (1, 1)


def test_a_worker_that_is_terminated_leaves_within_a_chunk(
    each_engine: Settings, promoted: Served, tmp_path: Path
) -> None:
    with Jobs(each_engine) as jobs:
        job_id = hand_in(jobs, promoted, CONTENT, chunk_rows=50)
        with worker_process(each_engine.state, tmp_path / "log", **variables(each_engine)) as process:
            wait_for(jobs, job_id, lambda view: view.completed > 0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
        view = jobs.view(job_id)
    assert view is not None
    assert view.status == "PENDING"
