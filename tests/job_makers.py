"""Jobs to work on: portfolios of the default data with a bad row here and there, and workers as processes."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from installation import ROOT, environment

from loan_default.bulk.inspect import inspect
from loan_default.bulk.order import Written
from loan_default.jobs.job import Job, JobView
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.model_copy import keep_model
from loan_default.schema import load_schema
from loan_default.served import Served

RESULTS = ("results.parquet", "rejects.csv")


def portfolio(rows: int) -> bytes:
    """A CSV of so many rows; every thousandth or so has no number where one must be."""
    with (ROOT / "data" / "Default_Fin.csv").open() as file:
        known = list(csv.reader(file))[1:]
    lines = ["Index,Employed,Bank Balance,Annual Salary"]
    for i in range(rows):
        _, employed, balance, salary, _ = known[i % len(known)]
        lines.append(f"{i + 1},{employed},{'oops' if i % 1003 == 7 else balance},{salary}")
    return "\n".join(lines).encode() + b"\n"


def draft(  # noqa: PLR0913  # all that a job is made of
    jobs: Jobs, served: Served, content: bytes, *, job_id: str, key_id: str, chunk_rows: int
) -> Job:
    """A job whose files are in its folder, not handed in yet."""
    folder = jobs.folder(job_id)
    folder.write("source", content)
    keep_model(served.model_folder, folder)
    schema = load_schema(served.model_folder / "schema.json")
    inspected = inspect(folder.place("source"), schema, Written(kind="csv"), most_rows=10**9)
    order = inspected.order.model_copy(update={"chunk_rows": chunk_rows})
    return Job(
        job_id=job_id,
        key_id=key_id,
        created_at=datetime.now(UTC),
        inspected=inspected.model_copy(update={"order": order}),
        source_name="source",
        source_uri=None,
        model_tag=served.tag,
        model_version=served.version,
        request_digest="0" * 64,
    )


def hand_in(  # noqa: PLR0913  # all that a job is made of
    jobs: Jobs,
    served: Served,
    content: bytes,
    *,
    key_id: str = "key-1",
    chunk_rows: int = 500,
    live_drift: bool = False,
) -> str:
    """Hand in a portfolio; returns the job's id."""
    job_id = jobs.new_id(key_id, None)
    made = draft(jobs, served, content, job_id=job_id, key_id=key_id, chunk_rows=chunk_rows)
    return jobs.submit(made.model_copy(update={"live_drift": live_drift})).job_id


def wait_for(jobs: Jobs, job_id: str, reached: Callable[[JobView], bool], within_s: float = 60) -> JobView:
    """Look at a job until it is as it shall be."""
    deadline = time.monotonic() + within_s
    while True:
        view = jobs.view(job_id)
        assert view is not None, "the job is gone"
        if reached(view):
            return view
        assert time.monotonic() < deadline, view
        time.sleep(0.02)


def over(view: JobView) -> bool:
    """Whether a job is over, one way or another."""
    return view.status not in {"PENDING", "PROGRESS"}


def outcome(jobs: Jobs, job_id: str) -> list[bytes]:
    """What a finished job has made, to the last byte."""
    return [jobs.folder(job_id).read(name) for name in RESULTS]


def start_worker(state: Path, log: Path, **variables: str) -> subprocess.Popen[bytes]:
    """A worker as a process of its own."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "loan_default.cli", "worker"],
            env={**environment(state), **variables},
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )


@contextmanager
def worker_process(state: Path, log: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """The same for a block; killed at its end at the latest."""
    process = start_worker(state, log, **variables)
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process as a power cut would."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
