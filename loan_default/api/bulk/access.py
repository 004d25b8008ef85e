"""The jobs, reached from the event loop: opened when the first call needs them, asked by threads; who may see which."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from loguru import logger

from loan_default.api.bulk.threads import Threads
from loan_default.errors import Busy, JobConflict, JobsUnavailable, JobUnreadable, LoanDefaultError, NoSuchJob
from loan_default.security.caller import Caller
from loan_default.settings import Settings

if TYPE_CHECKING:
    from loan_default.bulk.inspect import Inspected
    from loan_default.jobs.job import JobView
    from loan_default.jobs.jobs import Jobs

T = TypeVar("T")

_is_job_id = re.compile("[0-9a-f]{32}").fullmatch
_DISK_THREADS = 8
# Portfolios that a worker takes in, or hands out, at the same time: of all keys, and of each.
TRANSFERS_AT_ONCE: Final = 16
_AT_ONCE_OF_A_KEY = 4


class JobAccess:
    """The jobs of one online worker.

    Attributes:
        disk: threads for disks and databases.
        inspection: the one that looks at whole portfolios, one after another.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._jobs: Jobs | None = None
        self._opening = threading.Lock()
        self._transfers: dict[str, int] = {}
        self._places = 0
        self.disk = Threads(_DISK_THREADS, "bulk-disk")
        self.inspection = Threads(1, "bulk-inspection")

    async def run(self, work: "Callable[[Jobs], T]") -> T:
        """What `work` makes of the jobs, in a thread.

        Raises:
            JobsUnavailable: their database or storage fails.
        """
        return await self.disk.run(self._with_jobs, work)

    async def view(self, job_id: str, caller: Caller) -> "JobView":
        """How a job stands that `caller` may see.

        Raises:
            NoSuchJob: there is none, or it is another key's.
        """
        view = await self.run(lambda jobs: jobs.view(job_id)) if _is_job_id(job_id) else None
        if view is None or not (view.key_id == caller.key_id or "operate" in caller.scopes):
            raise NoSuchJob
        return view

    async def inspected(self, job_id: str) -> "Inspected | None":
        """How a job's portfolio is read; None when its description is gone or damaged, which `view` tells of."""
        try:
            job = await self.run(lambda jobs: jobs.job(job_id))
        except JobUnreadable:
            return None
        return None if job is None else job.inspected

    async def cancel(self, view: "JobView") -> "JobView":
        """Stop a job; one that is cancelled stays so.

        Raises:
            JobConflict: it is finished.
        """
        if view.status in {"SUCCESS", "FAILURE"}:
            raise JobConflict(f"The job cannot be cancelled: {view.message}")
        return _still_there(await self.run(lambda jobs: jobs.cancel(view.job_id)))

    async def retry(self, view: "JobView") -> "JobView":
        """Let a job that failed or was cancelled go on.

        Raises:
            JobConflict: it did neither.
        """
        if view.status not in {"FAILURE", "CANCELLED"}:
            raise JobConflict(f"Only a job that failed or was cancelled can be retried: {view.message}")
        return _still_there(await self.run(lambda jobs: jobs.retry(view.job_id)))

    @contextmanager
    def transfer(self, caller: Caller, places: int = 1) -> Iterator[None]:
        """One portfolio comes in, or goes out.

        Args:
            caller: whose it is.
            places: how many of the places there are it takes; more for one that is in memory as a whole.

        Raises:
            Busy: there are too many already.
        """
        mine = self._transfers.get(caller.key_id, 0)
        if mine >= _AT_ONCE_OF_A_KEY or self._places + places > TRANSFERS_AT_ONCE:
            raise Busy(f"Too many portfolios are sent or fetched at once, at most {_AT_ONCE_OF_A_KEY} for each key.")
        self._transfers[caller.key_id] = mine + 1
        self._places += places
        try:
            yield
        finally:
            self._places -= places
            self._transfers[caller.key_id] -= 1
            if not self._transfers[caller.key_id]:
                del self._transfers[caller.key_id]

    def close(self) -> None:
        """Let go of the database."""
        with self._opening:
            if self._jobs is not None:
                self._jobs.close()
                self._jobs = None
        self.disk.close()
        self.inspection.close()

    def _with_jobs(self, work: "Callable[[Jobs], T]") -> T:
        with translated():
            return work(self._opened())

    def _opened(self) -> "Jobs":
        from loan_default.jobs.jobs import Jobs  # a database's library, which online scoring does without

        with self._opening:
            if self._jobs is None:
                self._jobs = Jobs(self._settings)
            return self._jobs


def _still_there(view: "JobView | None") -> "JobView":
    if view is None:
        raise NoSuchJob
    return view


@contextmanager
def translated() -> Iterator[None]:
    """Tells of a failing disk or database as JobsUnavailable; the log has the details."""
    try:
        yield
    except LoanDefaultError as error:
        if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.opt(exception=error).error("Unexpected error")
        raise
    except OSError as error:
        logger.error("A job's files cannot be read or written: {}", error.strerror or type(error).__name__)
        raise JobsUnavailable("The storage of jobs fails or is full; try again later.") from error


@contextmanager
def reading() -> Iterator[None]:
    """The same for a job that was there; NoSuchJob when it expired while it was read."""
    with translated():
        try:
            yield
        except FileNotFoundError:
            raise NoSuchJob from None
