"""The callers' side of jobs: hand one in, ask how it stands, cancel, retry, list, fetch.

Used by API processes and the command line; workers are in `worker.py`. All calls block on a database or a disk: from
within an event loop, call them by `asyncio.to_thread`.
"""

from collections.abc import Sequence
from typing import Self

from loan_default.jobs.job import Job, JobView
from loan_default.settings import Settings
from loan_default.storage import Folder


class Jobs:
    """All jobs of one STATE_DIR, or of one database."""

    def __init__(self, settings: Settings) -> None:
        raise NotImplementedError

    def new_id(self, key_id: str, idempotency_key: str | None) -> str:
        """An id: random, or the same for the same key and Idempotency-Key."""
        raise NotImplementedError

    def folder(self, job_id: str) -> Folder:
        """Where a job's files are, or shall be."""
        raise NotImplementedError

    def require_room(self, key_id: str) -> None:
        """Raises TooManyJobs when so many jobs of a key wait or run that no more are taken."""
        raise NotImplementedError

    def submit(self, job: Job) -> JobView:
        """Accept a job whose files are in its folder already; once this returns, it is finished whatever happens.

        Handing in the same id again gives the job that is there.
        """
        raise NotImplementedError

    def job(self, job_id: str) -> Job | None:
        """What was asked; None when there is no such job, any more or at all."""
        raise NotImplementedError

    def view(self, job_id: str) -> JobView | None:
        """How it stands."""
        raise NotImplementedError

    def views(self, key_id: str | None, most: int) -> Sequence[JobView]:
        """The latest jobs, of one key or of all, the newest first."""
        raise NotImplementedError

    def cancel(self, job_id: str) -> JobView | None:
        """Stop it within a chunk; what is finished stays as it is."""
        raise NotImplementedError

    def retry(self, job_id: str) -> JobView | None:
        """Let a failed or cancelled job go on where it stopped."""
        raise NotImplementedError

    def erase(self, job_id: str) -> bool:
        """Remove a job that is not running, with all its files; False when there is none."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the database."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
