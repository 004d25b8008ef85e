"""The callers' side: nothing works on these jobs."""

from collections.abc import Iterator

import pytest
from job_makers import draft, hand_in, portfolio

from loan_default.errors import JobsUnavailable, JobUnreadable, TooManyJobs
from loan_default.jobs.jobs import Jobs
from loan_default.served import Served
from loan_default.settings import Settings

CONTENT = portfolio(10)


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    with Jobs(settings.model_copy(update={"job_max_waiting": 3})) as opened:
        yield opened


def test_an_accepted_job_waits_with_all_its_rows_before_it(jobs: Jobs, promoted: Served) -> None:
    view = jobs.view(hand_in(jobs, promoted, CONTENT))
    assert view is not None
    assert (view.status, view.progress, view.total_predictions, view.completed, view.rejected) == (
        "PENDING",
        0,
        10,
        0,
        0,
    )
    assert (view.key_id, view.model_version, view.started_at, view.finished_at) == ("key-1", "7", None, None)


def test_an_accepted_job_is_there_for_whoever_opens_the_state_folder_next(
    jobs: Jobs, settings: Settings, promoted: Served
) -> None:
    job_id = hand_in(jobs, promoted, CONTENT)
    with Jobs(settings) as others:
        assert others.view(job_id) == jobs.view(job_id)
        assert others.job(job_id) == jobs.job(job_id)


def test_handing_in_an_id_again_gives_the_job_that_is_there(jobs: Jobs, promoted: Served) -> None:
    job = draft(jobs, promoted, CONTENT, job_id=jobs.new_id("key-1", "may"), key_id="key-1", chunk_rows=5)
    first = jobs.submit(job)
    again = jobs.submit(job.model_copy(update={"model_version": "8"}))
    assert again == first
    assert len(jobs.views("key-1", 10)) == 1
    assert jobs.job(job.job_id) == job


def test_an_idempotency_key_stands_for_one_id_of_one_key(jobs: Jobs) -> None:
    assert jobs.new_id("key-1", "may") == jobs.new_id("key-1", "may")
    others = [("key-1", "june"), ("key-2", "may"), ("key-", "1may"), ("key-1", None), ("key-1", None)]
    assert len({jobs.new_id("key-1", "may"), *(jobs.new_id(*other) for other in others)}) == 6


def test_jobs_are_listed_by_key_the_newest_first(jobs: Jobs, promoted: Served) -> None:
    mine = [hand_in(jobs, promoted, CONTENT) for _ in range(3)]
    other = hand_in(jobs, promoted, CONTENT, key_id="key-2")
    assert [view.job_id for view in jobs.views("key-1", 10)] == mine[::-1]
    assert [view.job_id for view in jobs.views(None, 10)] == [other, *mine[::-1]]
    assert len(jobs.views(None, 2)) == 2


def test_a_key_with_many_waiting_jobs_gets_no_more(jobs: Jobs, promoted: Served) -> None:
    waiting = [hand_in(jobs, promoted, CONTENT) for _ in range(3)]
    with pytest.raises(TooManyJobs, match="3 jobs of this key"):
        jobs.require_room("key-1")
    jobs.require_room("key-2")
    jobs.cancel(waiting[0])
    jobs.require_room("key-1")


def test_a_waiting_job_is_cancelled_and_put_back_under_the_same_id(jobs: Jobs, promoted: Served) -> None:
    job_id = hand_in(jobs, promoted, CONTENT)
    for _ in range(2):
        cancelled = jobs.cancel(job_id)
        assert cancelled is not None
        assert (cancelled.status, cancelled.finished_at is None, cancelled.expires_at is None) == (
            "CANCELLED",
            False,
            False,
        )
    again = jobs.retry(job_id)
    assert again is not None
    assert (again.job_id, again.status, again.finished_at) == (job_id, "PENDING", None)


def test_an_erased_job_leaves_nothing(jobs: Jobs, promoted: Served) -> None:
    job_id = hand_in(jobs, promoted, CONTENT)
    assert jobs.erase(job_id)
    assert (jobs.view(job_id), jobs.job(job_id), jobs.folder(job_id).names()) == (None, None, set())
    assert not jobs.erase(job_id)


@pytest.mark.parametrize("job_id", ["0" * 32, "0" * 31, "../../etc/passwd", "A" * 32, "", "0" * 32 + "\n"])
def test_what_is_no_job_is_nowhere(jobs: Jobs, job_id: str) -> None:
    found = (jobs.view(job_id), jobs.job(job_id), jobs.cancel(job_id), jobs.retry(job_id), jobs.erase(job_id))
    assert found == (None, None, None, None, False)


def test_a_damaged_description_is_told_without_its_text(jobs: Jobs, promoted: Served) -> None:
    job_id = hand_in(jobs, promoted, CONTENT)
    jobs.folder(job_id).write("job.json", b'{"job_id": "secret"}')
    with pytest.raises(JobUnreadable) as caught:
        jobs.job(job_id)
    assert "secret" not in caught.value.message


def test_a_database_that_cannot_be_opened_is_told_as_unavailable(settings: Settings, promoted: Served) -> None:
    settings.jobs.mkdir(parents=True)
    (settings.jobs / "jobs.sqlite").mkdir()
    with Jobs(settings) as jobs, pytest.raises(JobsUnavailable) as caught:
        hand_in(jobs, promoted, CONTENT)
    assert str(settings.state) not in caught.value.message


def test_files_of_jobs_are_for_their_owner_only(jobs: Jobs, settings: Settings, promoted: Served) -> None:
    hand_in(jobs, promoted, CONTENT)
    assert (settings.jobs / "files").stat().st_mode & 0o077 == 0
