"""What a worker removes: jobs that have had their time, uploads that were broken off, and nothing else."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from job_makers import hand_in, over, portfolio, wait_for
from prometheus_client import REGISTRY

from loan_default.errors import JobConflict
from loan_default.jobs.database import JobDatabase
from loan_default.jobs.files import JobFiles
from loan_default.jobs.housekeeping import expire, remove_strays, tell_queue
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.worker import Worker
from loan_default.served import Served
from loan_default.settings import Settings

CONTENT = portfolio(10)


@pytest.fixture
def files(settings: Settings) -> JobFiles:
    return JobFiles(settings)


def test_jobs_that_are_over_for_long_go_with_their_files(each_engine: Settings, promoted: Served) -> None:
    files, database = JobFiles(each_engine), JobDatabase(each_engine)
    with Jobs(each_engine) as jobs:
        waiting, cancelled = hand_in(jobs, promoted, CONTENT), hand_in(jobs, promoted, CONTENT)
        jobs.cancel(cancelled)
        client = database.client()
        assert expire(client, files, timedelta(hours=1)) == 0
        # In SQLite DBOS keeps whole seconds.
        assert expire(client, files, timedelta(seconds=-2)) == 1
        assert (jobs.view(cancelled), jobs.job(cancelled)) == (None, None)
        assert jobs.view(waiting) is not None
        assert files.folder_names() == {waiting}
    database.close()


def test_a_worker_expires_jobs_by_itself(settings: Settings, promoted: Served) -> None:
    brief = settings.model_copy(update={"job_retention_hours": 1e-6})
    with Jobs(brief) as jobs:
        cancelled = hand_in(jobs, promoted, CONTENT)
        jobs.cancel(cancelled)
        time.sleep(1.1)
        worker = Worker(brief)
        worker.start()
        deadline = time.monotonic() + 30
        while jobs.view(cancelled) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        worker.stop()
        assert jobs.folder(cancelled).names() == set()


def test_an_expired_job_is_not_retried(settings: Settings, promoted: Served) -> None:
    with Jobs(settings.model_copy(update={"job_retention_hours": 1e-6})) as jobs:
        job_id = hand_in(jobs, promoted, CONTENT)
        jobs.cancel(job_id)
        time.sleep(1.1)  # in SQLite DBOS keeps whole seconds
        with pytest.raises(JobConflict, match="expired"):
            jobs.retry(job_id)


def test_uploads_that_became_no_job_are_removed_after_an_hour(
    jobs: Jobs, settings: Settings, promoted: Served, files: JobFiles
) -> None:
    kept, stray, fresh, others = hand_in(jobs, promoted, CONTENT), "a" * 32, "b" * 32, "c" * 32
    jobs.folder(others).write("job.json", b"{}")  # of a job that another database may know
    lost = settings.jobs / "files" / "lost+found"
    lost.mkdir()
    for job_id in (stray, fresh):
        jobs.folder(job_id).write("source", CONTENT)
    hours_ago = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    for folder in (settings.jobs / "files" / job_id for job_id in (kept, stray, others)):
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (hours_ago, hours_ago))
    database = JobDatabase(settings)
    assert remove_strays(database.client(), files, timedelta(hours=12)) == 1
    assert files.folder_names() == {kept, fresh, others}
    assert remove_strays(database.client(), files, timedelta(minutes=5)) == 1
    database.close()
    assert files.folder_names() == {kept, fresh}
    assert lost.is_dir()


def test_the_queue_is_told_as_metrics(jobs: Jobs, settings: Settings, promoted: Served) -> None:
    database = JobDatabase(settings)
    tell_queue(database.client())
    assert REGISTRY.get_sample_value("loan_jobs_oldest_waiting_seconds", {"queue": "bulk"}) == 0
    hand_in(jobs, promoted, CONTENT)
    hand_in(jobs, promoted, CONTENT)
    time.sleep(1.1)
    tell_queue(database.client())
    database.close()
    assert REGISTRY.get_sample_value("loan_jobs_open", {"state": "waiting"}) == 2
    assert REGISTRY.get_sample_value("loan_jobs_open", {"state": "running"}) == 0
    assert (REGISTRY.get_sample_value("loan_jobs_oldest_waiting_seconds", {"queue": "bulk"}) or 0) > 0


def test_a_finished_job_keeps_what_callers_fetch(jobs: Jobs, settings: Settings, promoted: Served) -> None:
    worker = Worker(settings)
    worker.start()
    job_id = hand_in(jobs, promoted, CONTENT)
    wait_for(jobs, job_id, over)
    worker.stop()
    assert {"results.parquet", "rejects.csv", "summary.json", "job.json"} <= jobs.folder(job_id).names()
