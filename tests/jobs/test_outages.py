"""A database that goes away and comes back: callers are told, workers wait and go on."""

import time

import pytest
from engines import Postgres
from job_makers import hand_in, over, portfolio, wait_for
from pydantic import SecretStr

from loan_default.errors import JobsUnavailable
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.worker import Worker
from loan_default.served import Served
from loan_default.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def shared(settings: Settings, postgres: Postgres) -> Settings:
    """The settings for a queue in Postgres."""
    postgres.query("DROP SCHEMA IF EXISTS loan_default_jobs CASCADE")
    return settings.model_copy(update={"database_url": SecretStr(postgres.url)})


def test_nothing_is_accepted_while_the_database_is_away(shared: Settings, postgres: Postgres, promoted: Served) -> None:
    with Jobs(shared) as jobs:
        kept = hand_in(jobs, promoted, portfolio(10))
        postgres.stop()
        try:
            with pytest.raises(JobsUnavailable) as caught:
                hand_in(jobs, promoted, portfolio(10))
            assert "s3cret" not in caught.value.message
        finally:
            postgres.start()
        assert [view.job_id for view in jobs.views(None, 10)] == [kept]


def test_a_worker_waits_for_a_database_that_is_not_there_yet(
    shared: Settings, postgres: Postgres, promoted: Served
) -> None:
    with Jobs(shared) as jobs:
        job_id = hand_in(jobs, promoted, portfolio(10))
        postgres.stop()
        worker = Worker(shared)
        try:
            worker.start()
            time.sleep(1)
        finally:
            postgres.start()
        assert wait_for(jobs, job_id, over).status == "SUCCESS"
        worker.stop()


def test_a_running_job_goes_on_without_its_database(shared: Settings, postgres: Postgres, promoted: Served) -> None:
    worker = Worker(shared)
    worker.start()
    with Jobs(shared) as jobs:
        job_id = hand_in(jobs, promoted, portfolio(60_000), chunk_rows=100)
        folder = jobs.folder(job_id)
        wait_for(jobs, job_id, lambda view: view.completed > 0)
        postgres.stop()
        try:
            deadline = time.monotonic() + 60
            while "summary.json" not in folder.names():
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            postgres.start()
        done = wait_for(jobs, job_id, over)
    worker.stop()
    assert (done.status, done.progress) == ("SUCCESS", 100)


def test_the_queue_is_taken_up_again_after_the_database_was_away(
    shared: Settings, postgres: Postgres, promoted: Served
) -> None:
    worker = Worker(shared)
    worker.start()
    with Jobs(shared) as jobs:
        wait_for(jobs, hand_in(jobs, promoted, portfolio(10)), over)
        postgres.stop()
        time.sleep(3)
        postgres.start()
        assert wait_for(jobs, hand_in(jobs, promoted, portfolio(10)), over).status == "SUCCESS"
    worker.stop()
