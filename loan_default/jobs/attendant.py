"""The thread beside a running job: asks whether the job is still ours, and writes down how far it is.

The thread that scores touches no database, so one that is slow or away holds up nothing.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Final, Self

from loan_default.bulk.progress import Progress
from loan_default.errors import JobsUnavailable
from loan_default.jobs.database import WORKFLOW, reachable
from loan_default.jobs.standing import Standing, standing
from loan_default.metrics import JOB_ROWS

if TYPE_CHECKING:
    from dbos import DBOSClient

_LOOK_S: Final = 0.25
_WRITE_S: Final = 1.0


class Attendant:
    """Attends one run of a job, within its `with` block.

    Attributes:
        cancelled: its caller cancelled the job.
        left: the queue does not have it as ours any more: it is cancelled, erased or somebody else's.
    """

    def __init__(self, client: "DBOSClient", job_id: str, executor_id: str, stopping: Event) -> None:
        self._client = client
        self._job_id = job_id
        self._executor_id = executor_id
        self._stopping = stopping
        self._over = Event()
        self._progress: Progress | None = None
        self._counted = {"scored": 0, "rejected": 0}
        self._trouble: str | None = None
        self._written: tuple[Progress | None, str | None] = (None, None)
        self._write_at = 0.0
        self._started_at: float | None = None
        self._thread = Thread(target=self._attend, name="job-attendant", daemon=True)
        self.cancelled = False
        self.left = False

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._write()

    def told(self, progress: Progress) -> None:
        """Take note of a job's progress."""
        outcomes = {"scored": progress.rows_done - progress.rows_rejected, "rejected": progress.rows_rejected}
        for outcome, rows in outcomes.items():
            JOB_ROWS.labels(outcome).inc(max(0, rows - self._counted[outcome]))
            self._counted[outcome] = max(rows, self._counted[outcome])  # a new start tells the old parts one by one
        self._progress = progress
        self._trouble = None

    def wait(self, seconds: float, why: str) -> None:
        """Wait, and say why; a stop ends it early."""
        self._trouble = why
        until = time.monotonic() + seconds
        while not self.stop() and time.monotonic() < until:
            self._stopping.wait(min(_LOOK_S, seconds))

    def stop(self) -> bool:
        """Whether the job is to be left where it is."""
        return self.cancelled or self.left or self._stopping.is_set()

    def _attend(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._look()
            if time.monotonic() >= self._write_at:
                self._write()

    def _look(self) -> None:
        """Whether the job is still ours; without an answer it stays so."""
        with suppress(JobsUnavailable), reachable():
            rows = self._client.list_workflows(
                workflow_ids=[self._job_id], name=WORKFLOW, load_input=False, load_output=False
            )
            if not rows or (rows[0].status, rows[0].executor_id) != ("PENDING", self._executor_id):
                self.cancelled = bool(rows) and rows[0].status == "CANCELLED"
                self.left = True
                return
            now = standing(rows[0])
            self.cancelled = now.cancelled
            if self._started_at is None:
                self._begin(now)

    def _begin(self, now: Standing) -> None:
        """Go on from what an earlier start wrote down."""
        self._started_at = now.started_at or time.time()
        if now.progress is not None:  # these rows were counted then
            rejected = now.progress.rows_rejected
            self._counted = {"scored": now.progress.rows_done - rejected, "rejected": rejected}

    def _write(self) -> None:
        news = (self._progress, self._trouble)
        if news == self._written and self._write_at:
            return
        self._write_at = time.monotonic() + _WRITE_S
        with suppress(JobsUnavailable), reachable():
            self._client.update_workflow_attributes(self._job_id, self._attributes(), merge=True)
            self._written = news

    def _attributes(self) -> dict[str, object]:
        attributes: Mapping[str, object] = {"started_at": self._started_at, "trouble": self._trouble}
        if self._progress is None:
            return dict(attributes)
        return {**attributes, "progress": self._progress.model_dump(mode="json")}
