"""A process that hands in jobs at moments it is told, so that several can do it in the same one.

    python -m racing ROWS

Takes the settings from the environment. Each line it reads is an Idempotency-Key and a Unix time: at that time it hands
in a portfolio of so many rows, and answers with the job's id, and the folder and the rows of the one that was taken.
"""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from installation import ROOT, environment, with_helpers
from job_makers import draft, portfolio

from loan_default.jobs.jobs import Jobs
from loan_default.served import find_served
from loan_default.settings import Settings


@contextmanager
def racers(rows: Sequence[int], settings: Settings, **variables: str) -> Iterator[list["subprocess.Popen[str]"]]:
    """Such processes, ready to go; each hands in portfolios of so many rows."""
    environ = {**environment(settings.state), **variables, "PYTHONPATH": with_helpers()["PYTHONPATH"]}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "racing", str(count)],
            env=environ,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for count in rows
    ]
    try:
        for process in processes:
            assert answer_of(process) == "ready"
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def tell(process: "subprocess.Popen[str]", idempotency_key: str, at: float) -> None:
    """Tell a process what to hand in and when."""
    assert process.stdin is not None
    process.stdin.write(f"{idempotency_key} {at}\n")
    process.stdin.flush()


def answer_of(process: "subprocess.Popen[str]") -> str:
    """The next line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(rows: int) -> None:
    """Hand in whenever told to."""
    settings, content = Settings(_env_file=None), portfolio(rows)
    served = find_served(settings, ROOT)
    with Jobs(settings) as jobs:
        jobs.views(None, 1)  # the database is open
        _say("ready")
        for line in sys.stdin:
            name, at = line.split()
            job_id, folder_id = jobs.new_id("key-1", name), uuid.uuid4().hex
            made = draft(jobs, served, content, job_id=folder_id, key_id="key-1", chunk_rows=10)
            job = made.model_copy(update={"job_id": job_id, "folder_id": folder_id})
            while time.time() < float(at):
                pass
            jobs.submit(job)
            taken = jobs.job(job_id)
            jobs.forget(job_id, folder_id)
            assert taken is not None
            _say(f"{job_id} {taken.folder_name} {taken.inspected.order.rows}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
