"""A disk that is full while a job runs: a file system of 64 MiB, where we may mount one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
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
