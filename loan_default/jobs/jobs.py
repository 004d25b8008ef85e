"""The callers' side of jobs: hand one in, ask how it stands, cancel, retry, list, fetch.

Used by API processes and the command line; workers are in `worker.py`. All calls block on a database or a disk: from
within an event loop, call them by `asyncio.to_thread`. Each raises JobsUnavailable when these do not answer.
"""

import hashlib
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from loguru import logger

from loan_default.errors import JobConflict, JobsUnavailable, JobUnreadable, TooManyJobs
from loan_default.jobs.database import JOB_FORMAT, QUEUE, WORKFLOW, JobDatabase, reachable
from loan_default.jobs.files import JobFiles
from loan_default.jobs.job import JOB_FILE, JOB_ID, Job, JobView
from loan_default.jobs.standing import OPEN, Standing, folder_name, view_of
from loan_default.metrics import JOBS_SUBMITTED
from loan_default.settings import Settings
from loan_default.storage import Folder

if TYPE_CHECKING:
    from dbos import WorkflowStatus


class Jobs:
    """All jobs of one STATE_DIR, or of one database. Connects when it is first asked something."""

    def __init__(self, settings: Settings) -> None:
        self._database = JobDatabase(settings)
        self._files = JobFiles(settings)
        self._retention = timedelta(hours=settings.job_retention_hours)
        self._most_waiting = settings.job_max_waiting

    def new_id(self, key_id: str, idempotency_key: str | None) -> str:
        """An id: random, or the same for the same key and Idempotency-Key."""
        if idempotency_key is None:
            return uuid.uuid4().hex
        # The length keeps two pairs apart that read the same in a row.
        text = f"{len(key_id)}:{key_id}:{idempotency_key}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def folder(self, job_id: str) -> Folder:
        """Where a job's files are; where they shall be when it is not handed in yet, and has no folder of its own."""
        return self._files.folder(self.folder_name(job_id) or job_id)

    def folder_name(self, job_id: str) -> str | None:
        """The name of a job's folder; None when there is no such job."""
        row = self._row(job_id)
        return None if row is None else folder_name(row)

    def draft_folder(self, name: str) -> Folder:
        """The folder of a job that is not handed in yet."""
        return self._files.folder(name)

    def require_room(self, key_id: str) -> None:
        """Raises TooManyJobs when so many jobs of a key wait or run that no more are taken."""
        with reachable():
            waiting = self._database.client().list_workflows(
                name=WORKFLOW,
                user=key_id,
                status=OPEN,
                limit=self._most_waiting,
                load_input=False,
                load_output=False,
            )
        if len(waiting) >= self._most_waiting:
            raise TooManyJobs(
                f"{self._most_waiting} jobs of this key wait or run, as many as are taken: wait for one, or cancel one."
            )

    def submit(self, job: Job) -> JobView:
        """Accept a job whose files are in its folder already; once this returns, it is finished whatever happens.

        Handing in the same id again gives the job that is there; of several that do so at once the queue takes one, and
        `folder_name` says whose.
        """
        from dbos import EnqueueOptions, WorkflowSerializationFormat

        there = self.view(job.job_id)
        if there is not None:
            return there
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": job.job_id,
            "app_version": JOB_FORMAT,
            "authenticated_user": job.key_id,
            "serialization_type": WorkflowSerializationFormat.PORTABLE,
            "attributes": _standing(job).model_dump(mode="json"),
        }
        with reachable():
            self._files.folder(job.folder_name).write(JOB_FILE, job.as_kept())
            self._database.client().enqueue(options, job.folder_name)
        row = self._row(job.job_id)
        if row is None:
            raise JobConflict("It was erased while it was handed in.")
        if folder_name(row) == job.folder_name:
            JOBS_SUBMITTED.inc()
        return view_of(row, self._retention)

    def forget(self, job_id: str, name: str) -> None:
        """Remove a folder that was filled for a job, unless the queue took it; then, or without an answer, it stays."""
        with suppress(JobsUnavailable), reachable():
            if self.folder_name(job_id) != name:
                self._files.folder(name).remove_all()

    def job(self, job_id: str) -> Job | None:
        """What was asked; None when there is no such job, any more or at all. Raises JobUnreadable."""
        name = self.folder_name(job_id)
        if name is None:
            return None
        with reachable(), suppress(FileNotFoundError):
            return self._files.job(name)
        return None

    def view(self, job_id: str) -> JobView | None:
        """How it stands."""
        row = self._row(job_id)
        return None if row is None else view_of(row, self._retention)

    def views(self, key_id: str | None, most: int) -> Sequence[JobView]:
        """The latest jobs, of one key or of all, the newest first. Those of another version are told in the log."""
        with reachable():
            rows = self._database.client().list_workflows(
                name=WORKFLOW, user=key_id, limit=most, sort_desc=True, load_input=False
            )
        views = []
        for row in rows:
            try:
                views.append(view_of(row, self._retention))
            except JobUnreadable as error:
                logger.bind(job_id=row.workflow_id).warning("A job is left out: {}", error.message)
        return sorted(views, key=lambda view: view.created_at, reverse=True)

    def cancel(self, job_id: str) -> JobView | None:
        """Stop it within a chunk; what is finished stays as it is."""
        view = self.view(job_id)
        if view is not None and view.status in {"PENDING", "PROGRESS"}:
            with reachable():
                client = self._database.client()
                client.update_workflow_attributes(job_id, {"cancelled": True}, merge=True)
                client.cancel_workflow(job_id)
            return self.view(job_id)
        return view

    def retry(self, job_id: str) -> JobView | None:
        """Let a failed or cancelled job go on where it stopped; one that waits, runs or succeeded stays as it is.

        Raises:
            JobConflict: its files have expired, or are about to.
        """
        view = self.view(job_id)
        if view is None or view.status not in {"FAILURE", "CANCELLED"}:
            return view
        if view.expires_at is not None and view.expires_at <= datetime.now(UTC):
            raise JobConflict("Its files have expired: hand it in anew.")
        from dbos import error as dbos

        with reachable():
            client = self._database.client()
            client.update_workflow_attributes(job_id, {"cancelled": False, "trouble": None}, merge=True)
            with suppress(dbos.DBOSException):  # somebody else was faster, and what they began goes on
                client.rewind_workflow(job_id, application_version=JOB_FORMAT, queue_name=QUEUE)
        return self.view(job_id)

    def erase(self, job_id: str) -> bool:
        """Remove a job that is not running, with all its files; False when there is none.

        Raises:
            JobConflict: it runs; cancel it first.
        """
        if not JOB_ID.fullmatch(job_id):
            return False
        view = self.view(job_id)
        if view is not None and view.status == "PROGRESS":
            raise JobConflict("It is running: cancel it, then erase it.")
        with reachable():
            client = self._database.client()
            if view is not None and view.status == "PENDING":
                client.cancel_workflow(job_id)  # or a worker could begin with half of its files
            folder = self.folder(job_id)
            had_files = bool(folder.names())
            folder.remove_all()
            client.delete_workflow(job_id)
        return had_files or view is not None

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _row(self, job_id: str) -> "WorkflowStatus | None":
        if not JOB_ID.fullmatch(job_id):
            return None
        with reachable():
            rows = self._database.client().list_workflows(workflow_ids=[job_id], name=WORKFLOW)
        return rows[0] if rows else None


def _standing(job: Job) -> Standing:
    return Standing(created_at=job.created_at, rows=job.inspected.order.rows, model_version=job.model_version)
