"""Processes that hand in one Idempotency-Key at the same moment: one is taken, whole, and all are told which."""

import os
import time
from collections.abc import Iterator

import pytest
from engines import Postgres
from job_makers import over, wait_for
from object_store import running_s3
from pydantic import SecretStr
from racing import answer_of, racers, tell

from loan_default.jobs.files import JobFiles
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.worker import Worker
from loan_default.served import Served
from loan_default.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROUNDS = int(os.environ.get("RACES", "8"))
# Of each process's portfolio, so that a job tells whose it is.
ROWS = (30, 31, 32)
_TO_PREPARE_S = 0.6


@pytest.fixture(params=["sqlite and a disk", "postgres and s3"])
def where(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings for one machine, and for many."""
    if request.param == "sqlite and a disk":
        yield settings
        return
    server: Postgres = request.getfixturevalue("postgres")
    server.query("DROP SCHEMA IF EXISTS loan_default_jobs CASCADE")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with running_s3() as url:
        yield settings.model_copy(update={"job_storage_url": url, "database_url": SecretStr(server.url)})


def variables(settings: Settings) -> dict[str, str]:
    """What a process must be told beside the state folder."""
    database = {"DATABASE_URL": settings.database_url.get_secret_value()} if settings.database_url else {}
    return {**database, **({"JOB_STORAGE_URL": settings.job_storage_url} if settings.job_storage_url else {})}


@pytest.mark.usefixtures("promoted")
def test_one_of_several_is_taken_whole(where: Settings) -> None:
    with racers(ROWS, where, **variables(where)) as processes, Jobs(where) as jobs:
        taken: dict[str, int] = {}
        for i in range(ROUNDS):
            at = time.time() + _TO_PREPARE_S
            for process in processes:
                tell(process, f"round-{i}", at)
            (answer,) = {answer_of(process) for process in processes}  # all are told the same
            job_id, folder, rows = answer.split()
            assert jobs.folder_name(job_id) == folder
            taken[job_id] = int(rows)
        # Of the others nothing is left.
        assert JobFiles(where).folder_names() == {jobs.folder_name(job_id) for job_id in taken}
        worker = Worker(where)
        worker.start()
        for job_id, count in taken.items():
            done = wait_for(jobs, job_id, over)
            assert (done.status, done.total_predictions, done.completed + done.rejected) == ("SUCCESS", count, count)
        worker.stop()


def test_one_that_died_on_the_way_keeps_nobody_waiting(settings: Settings, promoted: Served) -> None:
    assert promoted.model_folder.is_dir()
    with racers(ROWS[:2], settings) as (first, second), Jobs(settings) as jobs:
        tell(first, "same", time.time() + 60)
        deadline = time.monotonic() + 30
        while not any("model/schema.json" in JobFiles(settings).folder(name).names() for name in folders(settings)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        first.kill()
        tell(second, "same", time.time())
        job_id, folder, rows = answer_of(second).split()
        assert (jobs.folder_name(job_id), int(rows)) == (folder, ROWS[1])
        assert len(folders(settings)) == 2  # the dead one's goes with time


def folders(settings: Settings) -> set[str]:
    return JobFiles(settings).folder_names()
