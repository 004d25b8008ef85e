"""What a worker does with one job: its files found, its model loaded, scored, and scored on after what will pass.

The engine's parts are the checkpoints. A job that runs again, here or elsewhere, goes on where it stopped.
"""

import errno
import time
from threading import Event
from typing import TYPE_CHECKING, Final

from loguru import logger

from loan_default.errors import JobFilesMissing, LoanDefaultError, UnexpectedJobError
from loan_default.jobs.attendant import Attendant
from loan_default.jobs.files import JobFiles
from loan_default.jobs.job import Job
from loan_default.jobs.live_drift import Connect, live_of
from loan_default.jobs.model_copy import load_kept_model
from loan_default.jobs.traced import traced
from loan_default.metrics import JOB_SECONDS, JOBS_FINISHED
from loan_default.settings import Settings
from loan_default.tracing import open_tracing

if TYPE_CHECKING:
    from dbos import DBOSClient

    from loan_default.bulk.run import Work

_FIRST_WAIT_S: Final = 1.0
_LAST_WAIT_S: Final = 60.0
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LeftAsItIs(BaseException):
    """Ends a run without an outcome; no `Exception`, so that DBOS writes none into the job's row."""


class Scoring:
    """Runs jobs in a worker.

    Attributes:
        idle: set while there is none.
        job_id: of the one that runs; None while there is none.
    """

    def __init__(  # what a worker gives it
        self,
        settings: Settings,
        client: "DBOSClient",
        executor_id: str,
        stopping: Event,
        monitor: Connect | None = None,
    ) -> None:
        self._settings = settings
        self._monitor = monitor
        self._files = JobFiles(settings)
        self._client = client
        self._executor_id = executor_id
        self._stopping = stopping
        self._tracing = open_tracing(settings, "worker")
        self.idle = Event()
        self.idle.set()
        self.job_id: str | None = None

    def run(self, job_id: str, folder_name: str) -> dict[str, int]:
        """Score the job in a folder to its end, and return its rows dealt with and rejected.

        Raises:
            LeftAsItIs: it is not ours to finish: cancelled, erased, or this worker stops.
            LoanDefaultError: it cannot be scored; says why.
        """
        self.idle.clear()
        self.job_id = job_id
        try:
            with (
                logger.contextualize(job_id=job_id),
                Attendant(self._client, job_id, self._executor_id, self._stopping) as attendant,
            ):
                return self._to_the_end(job_id, folder_name, attendant)
        finally:
            self.job_id = None
            self.idle.set()

    def close(self) -> None:
        """Send the spans that wait."""
        if self._tracing is not None:
            self._tracing.close()

    def _to_the_end(self, job_id: str, folder_name: str, attendant: Attendant) -> dict[str, int]:
        if attendant.cancelled:  # it was put back into the queue at the very moment it was cancelled
            self._client.cancel_workflow(job_id)
        wait_s = _FIRST_WAIT_S
        while not attendant.stop():
            try:
                return self._once(folder_name, attendant)
            except LoanDefaultError as error:
                _failed(error)
                raise
            except (FileNotFoundError, NotADirectoryError) as error:
                _failed(JobFilesMissing())
                raise JobFilesMissing from error
            except OSError as error:
                why = _explain(error)
                logger.warning("The job waits {} s: {}", wait_s, why)
                attendant.wait(wait_s, f"{why} Trying again every {wait_s:.0f} s.")
                wait_s = min(2 * wait_s, _LAST_WAIT_S)
            except Exception:  # noqa: BLE001  # its text may hold an applicant's values: the log's traceback has no locals
                logger.exception("The job failed")
                JOBS_FINISHED.labels("failure").inc()
                raise UnexpectedJobError from None
        _left(attendant)
        raise LeftAsItIs

    def _once(self, folder_name: str, attendant: Attendant) -> dict[str, int]:
        from loan_default.bulk.run import Stopped, run

        job, work = self._work(folder_name)
        try:
            with traced(self._tracing, job, attendant.told) as told:
                logger.info("The job starts: {} rows", job.inspected.order.rows)
                summary = run(work, told, attendant.stop)
                logger.info("The job is done: {} rows, {} of them rejected", summary.rows, summary.rejected)
        except Stopped:
            _left(attendant)
            raise LeftAsItIs from None
        JOBS_FINISHED.labels("success").inc()
        JOB_SECONDS.observe(max(0.0, time.time() - job.created_at.timestamp()))
        return {"rows_done": summary.rows, "rows_rejected": summary.rejected}

    def _work(self, folder_name: str) -> "tuple[Job, Work]":
        import pyarrow as pa

        from loan_default.bulk.run import Work, cores

        threads = self._settings.job_threads or cores()
        pa.set_cpu_count(threads)

        folder = self._files.folder(folder_name)
        job = self._files.job(folder_name)
        model = load_kept_model(folder)
        work = Work(
            order=job.inspected.order,
            source=self._files.source(job),
            folder=folder,
            model=model,
            model_version=job.model_version,
            threads=threads,
            watch=model.population_watch(self._settings.drift_psi_threshold),
            live=live_of(job, model, folder, self._settings, self._monitor),
        )
        return job, work


def _left(attendant: Attendant) -> None:
    logger.info("The job stops where it is: {}", "it was cancelled" if attendant.cancelled else "others go on with it")
    if attendant.cancelled:
        JOBS_FINISHED.labels("cancelled").inc()


def _failed(error: LoanDefaultError) -> None:
    logger.warning("The job failed: {}", error.message)
    JOBS_FINISHED.labels("failure").inc()


def _explain(error: OSError) -> str:
    """Why it waits, without a path."""
    if error.errno in _FULL:
        return "The storage of jobs is full."
    return f"The storage of jobs cannot be used ({error.strerror or type(error).__name__})."
