"""The worker: takes jobs out of the queue one after the other, and looks after those of workers that died.

It works on threads of its own, so that whoever holds it, a BentoML service or the command line, is never held up. DBOS
is one to a process, and so is a worker.
"""

import logging
import time
import uuid
from contextlib import suppress
from datetime import timedelta
from threading import Event, Thread
from typing import Final

import psycopg
from loguru import logger

from loan_default.errors import JobsUnavailable
from loan_default.jobs.adoption import Lost, adopt, put_back
from loan_default.jobs.database import APPLICATION, JOB_FORMAT, QUEUE, SCHEMA, WORKFLOW, JobDatabase, reachable
from loan_default.jobs.files import JobFiles
from loan_default.jobs.housekeeping import expire, remove_strays, tell_queue
from loan_default.jobs.live_drift import connecting
from loan_default.jobs.liveness import FileLocks, Liveness, SessionLocks
from loan_default.jobs.scoring import Scoring
from loan_default.settings import Settings

_POLL_S: Final = 0.1
_LOOK_S: Final = 2.0
_CLEAN_S: Final = 60.0
_LAST_RETRY_S: Final = 10.0
# After our own lock was lost, others may have lost theirs, too; they get as long to take them again.
_GRACE_S: Final = 5.0


class Worker:
    """One worker of this process."""

    def __init__(self, settings: Settings, monitor: str | None = None) -> None:
        """`monitor`: the address of the drift monitor, as `MonitorClient` takes it; None where there is none."""
        self._settings = settings
        self._monitor = connecting(settings, monitor)
        self.executor_id = uuid.uuid4().hex
        self._database = JobDatabase(settings)
        self._stopping = Event()
        self._scoring: Scoring | None = None
        self._lost = Lost()
        self._liveness: Liveness | None = None
        self._adopt_from = 0.0
        self._clean_at = 0.0
        self._files = JobFiles(settings)
        self._retention = timedelta(hours=settings.job_retention_hours)
        self._thread = Thread(target=self._work, name="job-worker", daemon=True)

    def start(self) -> None:
        """Begin, on a thread; waits for nothing."""
        self._thread.start()

    def stop(self) -> None:
        """Stop within a chunk, and give the job that runs back to the queue."""
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        if self._launch():
            self._look()  # a worker that is started again finds its own job of before
            while not self._stopping.wait(_LOOK_S):
                self._look()
            self._give_back()

    def _launch(self) -> bool:
        """Connect and begin to take jobs, as soon as the database lets us; False when stopped before."""
        wait_s = 0.5
        while not self._stopping.is_set():
            try:
                with reachable():
                    self._begin()
            except JobsUnavailable as error:
                logger.warning("Jobs wait: {}", error.message)
                self._stopping.wait(wait_s)
                wait_s = min(2 * wait_s, _LAST_RETRY_S)
            except Exception:  # noqa: BLE001  # nobody else would see it
                logger.exception("Jobs wait for an unexpected error")
                self._stopping.wait(_LAST_RETRY_S)
            else:
                return True
        return False

    def _begin(self) -> None:
        from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, WorkflowSerializationFormat

        client = self._database.client()
        liveness = self._liveness or self._locks()
        self._liveness = liveness
        liveness.hold()
        scoring = Scoring(self._settings, client, self.executor_id, self._stopping, self._monitor)
        DBOS.destroy(destroy_registry=True)  # of an attempt that failed
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self._database.url(),
            "dbos_system_schema": SCHEMA,
            "executor_id": self.executor_id,
            "application_version": JOB_FORMAT,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
        }
        DBOS(config=config)

        @DBOS.workflow(
            name=WORKFLOW, max_recovery_attempts=None, serialization_type=WorkflowSerializationFormat.PORTABLE
        )
        def score_portfolio(folder_name: str) -> dict[str, int]:
            # No steps: the parts that the engine keeps are finer, and safe to do twice.
            return scoring.run(str(DBOS.workflow_id), folder_name)

        DBOS.listen_queues([QUEUE])
        # Before the launch, which would otherwise look for it again only a second later.
        client.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=_POLL_S)
        DBOS.launch()
        logging.getLogger("dbos").addFilter(_is_news)
        self._scoring = scoring
        logger.info("Takes jobs as worker {}", self.executor_id)

    def _locks(self) -> Liveness:
        if self._settings.database_url is not None:
            return SessionLocks(self._settings.database_url, self.executor_id)
        return FileLocks(self._settings.jobs / "workers", self.executor_id)

    def _look(self) -> None:
        """Look after the queue; what goes wrong is tried again at the next look."""
        try:
            with reachable():
                if self._liveness is not None and self._liveness.hold():
                    self._adopt_from = time.monotonic() + _GRACE_S
                client = self._database.client()
                if self._liveness is not None and time.monotonic() >= self._adopt_from:
                    ours = adopt(client, self._liveness, self.executor_id)
                    self._lost.put_back(client, ours, self._scoring.job_id if self._scoring else None)
                tell_queue(client)
                if time.monotonic() >= self._clean_at:
                    self._clean_at = time.monotonic() + _CLEAN_S
                    expire(client, self._files, self._retention)
                    remove_strays(client, self._files, self._retention)
        except JobsUnavailable as error:
            logger.warning("Jobs are not looked after: {}", error.message)
        except Exception:  # noqa: BLE001  # nobody else would see it
            logger.exception("Unexpected error")

    def _give_back(self) -> None:
        """End what runs, and put it back into the queue. Without an answer from the database, others adopt it."""
        from dbos import DBOS

        if self._scoring is not None:
            self._scoring.idle.wait()
            self._scoring.close()
        DBOS.destroy(destroy_registry=True)
        with suppress(JobsUnavailable, psycopg.Error), reachable():
            put_back(self._database.client(), self.executor_id)
        if self._liveness is not None:
            self._liveness.release()
        self._database.close()


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a job failed: `Scoring` said so, with the job's id and without a traceback."""
    return not record.getMessage().startswith("Exception encountered in background workflow")
