"""Files of jobs in an object store, over real S3 calls."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from installation import ROOT, with_helpers
from job_makers import hand_in, kill, outcome, over, portfolio, wait_for, worker_process
from object_store import running_s3

from loan_default.bulk.run import Stopped, Work, run
from loan_default.jobs.files import JobFiles
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.worker import Worker
from loan_default.model import LoanModel
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
    nothing: Any = None
    with pytest.raises(TypeError), folder.writing("job.json") as file:
        file.write(b"new"), file.write(nothing)
    assert folder.read("job.json") == b"old"


def bucket(stored: Settings) -> str:
    """The address of the bucket itself, for what pyarrow does not tell."""
    (endpoint,) = re.findall(r"endpoint_override=([\d.:]+)", stored.job_storage_url or "")
    return f"http://{endpoint}/{urlsplit(stored.job_storage_url or '').netloc}"


def in_pieces(stored: Settings) -> int:
    """How many files are being uploaded in pieces."""
    return httpx.get(f"{bucket(stored)}?uploads").text.count("<Upload>")


@pytest.mark.parametrize("mib", [6, 11, 25])
def test_a_large_file_comes_back_as_it_was(folder: Folder, stored: Settings, mib: int) -> None:
    content, before = os.urandom(mib << 20), in_pieces(stored)
    with folder.writing("results.parquet") as file:
        for start in range(0, len(content), 777_777):
            file.write(content[start : start + 777_777])
    assert folder.size("results.parquet") == len(content)
    assert b"".join(folder.blocks("results.parquet")) == folder.read("results.parquet") == content
    place = folder.place("results.parquet")
    with place.fs.open_input_file(place.path) as opened:
        assert opened.read_at(1000, 5 << 20) == content[5 << 20 : (5 << 20) + 1000]
    with place.fs.open_input_stream(place.path) as opened:
        etag = opened.metadata()["ETag"]
    assert (b"-" in etag) == (mib > 10)  # so S3 marks what went up in pieces
    assert in_pieces(stored) == before


def test_an_upload_that_fails_between_two_pieces_leaves_nothing(folder: Folder, stored: Settings) -> None:
    before, sent = in_pieces(stored), 0

    def asked() -> None:
        nonlocal sent
        sent += 1
        if sent > 15:
            assert in_pieces(stored) == before + 1  # it has begun
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"), folder.writing("results.parquet", asked) as file:
        file.write(bytes(40 << 20))
    assert sent == 16  # the rest was not sent
    assert (folder.names(), in_pieces(stored)) == (set(), before)


_UPLOADS = """
import sys
from loan_default.jobs.files import JobFiles
from loan_default.settings import Settings
JobFiles(Settings(_env_file=None)).folder(sys.argv[1]).write("results.parquet", bytes(200 << 20))
"""


def test_a_writer_that_is_killed_between_two_pieces_shows_nothing_and_is_in_nobodys_way(
    folder: Folder, stored: Settings
) -> None:
    variables = {**with_helpers(), "JOB_STORAGE_URL": stored.job_storage_url or "", "STATE_DIR": str(stored.state)}
    deadline = time.monotonic() + 60
    before = in_pieces(stored)
    process = subprocess.Popen([sys.executable, "-c", _UPLOADS, JOB], env=variables, cwd=ROOT)
    while in_pieces(stored) == before:
        assert (process.poll(), time.monotonic() < deadline) == (None, True)
    kill(process)
    assert folder.names() == set()
    assert in_pieces(stored) == before + 1  # invisible to all but the bucket's owner, whose rule removes it
    folder.write("results.parquet", b"new")
    assert folder.read("results.parquet") == b"new"


def test_a_job_is_stopped_within_a_block_while_its_results_go_up(
    stored: Settings, promoted: Served, loan_model: LoanModel
) -> None:
    with Jobs(stored) as jobs:
        job_id = hand_in(jobs, promoted, portfolio(400_000), chunk_rows=200_000)
        job, folder = jobs.job(job_id), jobs.folder(job_id)
        assert job is not None
        work = Work(job.inspected.order, JobFiles(stored).source(job), folder, loan_model, "7", 2)
        asked = 0
        seen: list[str] = []

        def stop() -> bool:
            nonlocal asked
            asked += "writing" in seen
            return asked > 5

        with pytest.raises(Stopped):
            run(work, lambda progress: seen.append(progress.stage), stop)
        assert asked == 6
        assert {"results.parquet", "summary.json"} & folder.names() == set()
        assert "parts/000000.part" in folder.names()
        assert run(work, lambda _: None, lambda: False).rows == 400_000
        jobs.erase(job_id)


def test_large_portfolios_parts_and_results_are_there_as_on_a_disk(
    stored: Settings, settings: Settings, promoted: Served
) -> None:
    content, made = portfolio(400_000), []
    for where in (settings, stored):
        worker = Worker(where)
        worker.start()
        with Jobs(where) as jobs:
            job_id = hand_in(jobs, promoted, content, chunk_rows=200_000)
            done = wait_for(jobs, job_id, over, within_s=200)
            assert (done.status, done.completed + done.rejected) == ("SUCCESS", 400_000)
            sizes = [jobs.folder(job_id).size(name) for name in ("source", "results.parquet")]
            made.append(outcome(jobs, job_id))
            jobs.erase(job_id)
        worker.stop()
    assert min(sizes) > 10 << 20, sizes
    assert made[0] == made[1]


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
