"""A worker in this process, with the real engine and a real queue."""

import time

import pyarrow.parquet as pq
import pytest
from job_makers import draft, hand_in, outcome, over, portfolio, wait_for
from prometheus_client import REGISTRY

from loan_default.bulk.summary import Summary
from loan_default.errors import JobConflict
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.worker import Worker
from loan_default.served import Served
from loan_default.settings import Settings

SMALL = portfolio(2_000)
# Hundreds of chunks: long enough to be caught in the middle.
LONG, LONG_ROWS = portfolio(60_000), 60_000


def test_a_job_is_scored_row_by_row(each_engine: Settings, promoted: Served) -> None:
    worker = Worker(each_engine)
    worker.start()
    with Jobs(each_engine) as jobs:
        job_id = hand_in(jobs, promoted, SMALL)
        view = wait_for(jobs, job_id, over)
        results = pq.read_table(jobs.folder(job_id).place("results.parquet").path)
        summary = Summary.model_validate_json(jobs.folder(job_id).read("summary.json"))
    worker.stop()
    assert (view.status, view.progress, view.completed, view.rejected, view.error) == ("SUCCESS", 100, 1_998, 2, None)
    assert None not in {view.started_at, view.finished_at, view.expires_at}
    assert results.num_rows == summary.scored == 1_998


@pytest.mark.usefixtures("worker")
def test_what_was_scored_is_counted(jobs: Jobs, promoted: Served) -> None:
    def counted() -> list[float]:
        names = (
            ("loan_job_rows_total", "scored"),
            ("loan_job_rows_total", "rejected"),
            ("loan_jobs_finished_total", "success"),
        )
        return [REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0 for name, outcome in names]

    before = counted()
    wait_for(jobs, hand_in(jobs, promoted, SMALL), over)
    assert [after - was for after, was in zip(counted(), before, strict=True)] == [1_998, 2, 1]


@pytest.mark.usefixtures("worker")
def test_a_job_is_cancelled_within_a_chunk_and_goes_on_where_it_stopped(jobs: Jobs, promoted: Served) -> None:
    job_id = hand_in(jobs, promoted, LONG, chunk_rows=100)
    wait_for(jobs, job_id, lambda view: view.completed > 0)
    jobs.cancel(job_id)
    with pytest.raises(AssertionError):
        wait_for(jobs, job_id, lambda view: view.status != "CANCELLED", within_s=2)
    stopped = jobs.view(job_id)
    parts = {name for name in jobs.folder(job_id).names() if name.startswith("parts/")}
    assert stopped is not None
    assert 0 < stopped.completed < LONG_ROWS
    jobs.retry(job_id)
    wait_for(jobs, job_id, lambda view: view.status == "PROGRESS")
    done = wait_for(jobs, job_id, over)
    assert (done.status, done.completed + done.rejected) == ("SUCCESS", LONG_ROWS)
    assert parts  # some of the work was not done twice


def test_a_worker_that_stops_gives_its_job_back_at_once(jobs: Jobs, settings: Settings, promoted: Served) -> None:
    first = Worker(settings)
    first.start()
    job_id = hand_in(jobs, promoted, LONG, chunk_rows=100)
    wait_for(jobs, job_id, lambda view: view.completed > 0)
    first.stop()
    given_back = jobs.view(job_id)
    assert given_back is not None
    assert given_back.status == "PENDING"
    second = Worker(settings)
    second.start()
    done = wait_for(jobs, job_id, over)
    second.stop()
    assert (done.status, done.completed + done.rejected) == ("SUCCESS", LONG_ROWS)


@pytest.mark.usefixtures("worker")
def test_a_running_job_is_not_erased(jobs: Jobs, promoted: Served) -> None:
    job_id = hand_in(jobs, promoted, LONG, chunk_rows=100)
    wait_for(jobs, job_id, lambda view: view.status == "PROGRESS")
    with pytest.raises(JobConflict, match="cancel it"):
        jobs.erase(job_id)
    jobs.cancel(job_id)
    assert jobs.erase(job_id)


@pytest.mark.parametrize(
    ("damage", "said"),
    [("job.json", "description cannot be read"), ("model/booster.ubj", "altered"), ("source", "changed")],
)
def test_what_will_not_pass_fails_the_job_and_says_why(
    jobs: Jobs, settings: Settings, promoted: Served, damage: str, said: str
) -> None:
    job_id = hand_in(jobs, promoted, SMALL)
    kept = jobs.folder(job_id).read(damage)
    jobs.folder(job_id).write(damage, b"{}")
    worker = Worker(settings)
    worker.start()
    failed = wait_for(jobs, job_id, over)
    assert failed.status == "FAILURE"
    assert said in (failed.error or "")
    jobs.folder(job_id).write(damage, kept)
    jobs.retry(job_id)
    again = wait_for(jobs, job_id, over)
    worker.stop()
    # The source is known by size and time, so one that was put back is another one.
    assert again.status == ("FAILURE" if damage == "source" else "SUCCESS")


@pytest.mark.usefixtures("worker")
def test_storage_that_fails_is_tried_until_it_works(jobs: Jobs, settings: Settings, promoted: Served) -> None:
    reference = hand_in(jobs, promoted, SMALL)
    wait_for(jobs, reference, over)
    job_id = jobs.new_id("key-1", "trouble")
    parts = settings.jobs / "files" / job_id / "parts"
    parts.parent.mkdir(parents=True)
    parts.symlink_to(parts)  # a loop: nothing can be written, until it is gone
    jobs.submit(draft(jobs, promoted, SMALL, job_id=job_id, key_id="key-1", chunk_rows=500))
    waiting = wait_for(jobs, job_id, lambda view: "storage" in view.message)
    assert waiting.status == "PROGRESS"
    assert str(settings.state) not in waiting.message
    parts.unlink()
    assert wait_for(jobs, job_id, over).status == "SUCCESS"
    assert outcome(jobs, job_id) == outcome(jobs, reference)


def test_a_model_that_is_promoted_while_a_job_waits_does_not_change_it(
    jobs: Jobs, settings: Settings, promoted: Served
) -> None:
    job_id = hand_in(jobs, promoted, SMALL)
    for path in promoted.model_folder.iterdir():
        path.unlink()
    worker = Worker(settings)
    worker.start()
    view = wait_for(jobs, job_id, over)
    worker.stop()
    assert (view.status, view.model_version) == ("SUCCESS", "7")


@pytest.mark.usefixtures("worker")
def test_jobs_are_taken_one_after_the_other(jobs: Jobs, promoted: Served) -> None:
    waiting = [hand_in(jobs, promoted, SMALL) for _ in range(3)]
    most = 0
    deadline = time.monotonic() + 60
    while not all(over(view) for view in jobs.views(None, 10)):
        most = max(most, sum(view.status == "PROGRESS" for view in jobs.views(None, 10)))
        assert time.monotonic() < deadline
    assert most == 1
    assert {view.job_id for view in jobs.views(None, 10) if view.status == "SUCCESS"} == set(waiting)
