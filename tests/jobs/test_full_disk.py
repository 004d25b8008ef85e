"""A disk that is full while a job runs, under its files or under the queue: 64 MiB, where we may mount them."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from face import Face
from handed_in import BATCH, FILE, csv, form, key, write_keys
from job_makers import hand_in, over, portfolio, wait_for

from loan_default.errors import JobsUnavailable
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.worker import Worker
from loan_default.served import Served
from loan_default.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CONTENT = portfolio(100_000)  # several megabytes once it is scored


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder that holds 64 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, check=False
    )
    if not done or done.returncode:
        pytest.skip("nothing may be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, leaving: int) -> None:
    """Take all room of a file system but so many bytes."""
    with (folder / "others").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - leaving)


def test_a_job_waits_for_room_and_goes_on(settings: Settings, promoted: Served, small: Path) -> None:
    where = settings.model_copy(update={"job_storage_url": str(small)})
    worker = Worker(where)
    with Jobs(where) as jobs:
        job_id = hand_in(jobs, promoted, CONTENT, chunk_rows=1_000)
        fill(small, leaving=300_000)
        worker.start()
        waiting = wait_for(jobs, job_id, lambda view: "full" in view.message)
        assert waiting.status == "PROGRESS"
        (small / "others").unlink()
        done = wait_for(jobs, job_id, over)
    worker.stop()
    assert (done.status, done.completed + done.rejected) == ("SUCCESS", 100_000)


def test_nothing_is_accepted_without_room(settings: Settings, promoted: Served, small: Path) -> None:
    where = settings.model_copy(update={"job_storage_url": str(small)})
    with Jobs(where) as jobs:
        job_id = hand_in(jobs, promoted, portfolio(10))
        job = jobs.job(job_id)
        assert job is not None
        fill(small, leaving=0)
        with pytest.raises(JobsUnavailable, match="No space left"):
            jobs.submit(job.model_copy(update={"job_id": "a" * 32}))
        assert jobs.view("a" * 32) is None


@pytest.fixture
def queue_apart(settings: Settings, promoted: Served, small: Path, tmp_path: Path) -> Settings:
    """The settings for a queue on the small disk, and files of jobs on another one."""
    assert promoted.model_folder.is_dir()
    settings.jobs.symlink_to(small)
    return settings.model_copy(update={"job_storage_url": str(tmp_path / "files")})


def test_a_full_disk_under_the_queue_is_told_and_loses_no_job(queue_apart: Settings, promoted: Served) -> None:
    with Jobs(queue_apart) as jobs:
        before = hand_in(jobs, promoted, portfolio(10))
        fill(queue_apart.jobs, leaving=0)
        with pytest.raises(JobsUnavailable, match="database of jobs is full"):
            hand_in(jobs, promoted, portfolio(10))
        with pytest.raises(JobsUnavailable, match="database of jobs is full"):
            jobs.cancel(before)
        assert [(view.job_id, view.status) for view in jobs.views(None, 10)] == [(before, "PENDING")]
        (queue_apart.jobs / "others").unlink()
        after = hand_in(jobs, promoted, portfolio(10))
        worker = Worker(queue_apart)
        worker.start()
        assert [wait_for(jobs, job_id, over).status for job_id in (before, after)] == ["SUCCESS"] * 2
        worker.stop()


def test_callers_get_503_and_nothing_is_left_of_what_they_sent(queue_apart: Settings, tmp_path: Path) -> None:
    write_keys(queue_apart.keys_file)
    face = Face(queue_apart)

    def send() -> tuple[int, str | None]:
        answer = face.call("POST", FILE, files=form(csv(3)), headers={**key("analyst"), "Idempotency-Key": "may"})
        return answer.status_code, answer.json().get("error")

    assert face.call("GET", BATCH, headers=key("analyst")).json()["jobs"] == []
    fill(queue_apart.jobs, leaving=0)
    assert send() == (503, "jobs_unavailable")
    assert list((tmp_path / "files").iterdir()) == []
    (queue_apart.jobs / "others").unlink()
    assert send() == (202, None)
    face.online.jobs.close()


def test_a_job_that_ends_while_the_queues_disk_is_full_is_finished_when_there_is_room(
    queue_apart: Settings, promoted: Served
) -> None:
    worker = Worker(queue_apart)
    worker.start()
    with Jobs(queue_apart) as jobs:
        job_id = hand_in(jobs, promoted, CONTENT, chunk_rows=1_000)
        wait_for(jobs, job_id, lambda view: view.status == "PROGRESS")
        fill(queue_apart.jobs, leaving=0)
        deadline = time.monotonic() + 60
        while "summary.json" not in jobs.folder(job_id).names():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(5)  # longer than two looks of the worker
        unfinished = jobs.view(job_id)
        assert unfinished is not None
        assert unfinished.status == "PROGRESS"  # its end cannot be written down
        (queue_apart.jobs / "others").unlink()
        done = wait_for(jobs, job_id, over)
        next_one = wait_for(jobs, hand_in(jobs, promoted, portfolio(10)), over)
    worker.stop()
    assert (done.status, done.completed + done.rejected) == ("SUCCESS", 100_000)
    assert next_one.status == "SUCCESS"
