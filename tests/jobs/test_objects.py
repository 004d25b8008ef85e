"""Files of jobs in an object store, over real S3 calls."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from job_makers import hand_in, kill, outcome, over, portfolio, wait_for, worker_process
from object_store import running_s3

from loan_default.jobs.files import JobFiles
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.worker import Worker
from loan_default.served import Served
from loan_default.settings import Settings
from loan_default.storage import Folder

pytestmark = [pytest.mark.integration, pytest.mark.slow]

JOB = "a" * 32


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with running_s3() as url:
        yield url


@pytest.fixture
def stored(settings: Settings, s3: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings for jobs whose files are in the store."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return settings.model_copy(update={"job_storage_url": s3})


@pytest.fixture
def folder(stored: Settings) -> Iterator[Folder]:
    made = JobFiles(stored).folder(JOB)
    yield made
    made.remove_all()


def test_files_are_written_read_listed_and_removed(folder: Folder, stored: Settings) -> None:
    folder.write("job.json", b"{}")
    with folder.writing("parts/000000") as file:
        file.write(b"a" * 3_000_000)
        file.write(b"b")
    assert folder.names() == {"job.json", "parts/000000"}
    assert (folder.size("parts/000000"), folder.read("job.json")) == (3_000_001, b"{}")
    assert b"".join(folder.blocks("parts/000000")) == b"a" * 3_000_000 + b"b"
    assert JobFiles(stored).folder_names() == {JOB}
    folder.remove("parts/000000")
    folder.remove("parts/000000")
    assert folder.names() == {"job.json"}
    folder.remove_all()
    folder.remove_all()
    assert (folder.names(), JobFiles(stored).folder_names()) == (set(), set())


def test_a_file_that_is_not_there_is_said(folder: Folder) -> None:
    with pytest.raises(FileNotFoundError):
        folder.read("job.json")
    with pytest.raises(FileNotFoundError):
        folder.size("job.json")


def test_a_writer_that_fails_leaves_what_was_there(folder: Folder) -> None:
    folder.write("job.json", b"old")
    with pytest.raises(TypeError), folder.writing("job.json") as file:
        file.writelines([b"new", "no bytes"])
    assert folder.read("job.json") == b"old"


def test_a_job_is_scored_there_as_on_a_disk(stored: Settings, settings: Settings, promoted: Served) -> None:
    made = []
    for where in (settings, stored):
        worker = Worker(where)
        worker.start()
        with Jobs(where) as jobs:
            job_id = hand_in(jobs, promoted, portfolio(3_000))
            assert wait_for(jobs, job_id, over).status == "SUCCESS"
            made.append(outcome(jobs, job_id))
            jobs.erase(job_id)
        worker.stop()
    assert made[0] == made[1]
    assert JobFiles(stored).folder_names() == set()


def test_a_job_there_survives_the_death_of_its_worker(stored: Settings, promoted: Served, tmp_path: Path) -> None:
    content, variables = portfolio(20_000), {"JOB_STORAGE_URL": stored.job_storage_url or ""}
    with Jobs(stored) as jobs:
        job_id = hand_in(jobs, promoted, content, chunk_rows=200)
        with worker_process(stored.state, tmp_path / "log", **variables) as process:
            wait_for(jobs, job_id, lambda view: view.completed > 0)
            kill(process)
        with worker_process(stored.state, tmp_path / "log", **variables):
            done = wait_for(jobs, job_id, over)
        again = hand_in(jobs, promoted, content, chunk_rows=200)
        with worker_process(stored.state, tmp_path / "log", **variables):
            wait_for(jobs, again, over)
        assert (done.status, outcome(jobs, job_id)) == ("SUCCESS", outcome(jobs, again))
