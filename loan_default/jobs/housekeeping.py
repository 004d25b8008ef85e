"""What a worker does for all jobs beside scoring them: figures of the queue, and removing what has had its time."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from loguru import logger

from loan_default.jobs.database import WORKFLOW
from loan_default.jobs.files import JobFiles
from loan_default.jobs.job import JOB_FILE
from loan_default.jobs.standing import OPEN, OVER, folder_name
from loan_default.metrics import JOBS_LAST_LOOK, JOBS_OLDEST_WAITING, JOBS_OPEN

if TYPE_CHECKING:
    from dbos import DBOSClient

# Longer than an upload may take, so that none is removed on its way to become a job.
_UPLOAD: Final = timedelta(hours=1)
_MOST_AT_ONCE: Final = 1_000


def tell_queue(client: "DBOSClient") -> None:
    """Set the metrics of the queue."""
    rows = client.list_workflows(name=WORKFLOW, status=OPEN, load_input=False, load_output=False)
    running = sum(row.status == "PENDING" for row in rows)
    JOBS_OPEN.labels("running").set(running)
    JOBS_OPEN.labels("waiting").set(len(rows) - running)
    since = min((row.created_at or 0 for row in rows if row.status != "PENDING"), default=None)
    now = datetime.now(UTC).timestamp()
    JOBS_OLDEST_WAITING.labels("bulk").set(0.0 if since is None else max(0.0, now - since / 1000))
    JOBS_LAST_LOOK.labels("bulk").set(now)


def expire(client: "DBOSClient", files: JobFiles, retention: timedelta) -> int:
    """Remove jobs that were over before `retention`, with their files; returns how many. Safe to do in several places.

    The files go first: should it end in between, the next round finds the row and goes on.
    """
    before = (datetime.now(UTC) - retention).isoformat()
    rows = client.list_workflows(
        name=WORKFLOW,
        status=OVER,
        completed_before=before,
        limit=_MOST_AT_ONCE,
        load_output=False,
    )
    for row in rows:
        files.folder(folder_name(row)).remove_all()
        client.delete_workflow(row.workflow_id)
        logger.bind(job_id=row.workflow_id).info("The job and its files have expired and are removed")
    return len(rows)


def _known(client: "DBOSClient") -> set[str]:
    """The folders of all jobs there are."""
    return {folder_name(row) for row in client.list_workflows(name=WORKFLOW, load_output=False)}


def remove_strays(client: "DBOSClient", files: JobFiles, retention: timedelta) -> int:
    """Remove folders without a job that nobody has written to for long: uploads that were broken off.

    One with a job's description in it stays for the retention: it may be another database's, on a storage both use.
    """
    removed = 0
    now = datetime.now(UTC)
    for name in files.folder_names() - _known(client):
        unchanged_for = now - files.changed_at(name)
        if unchanged_for < _UPLOAD:  # it may become a job at any moment, or has just become one
            continue
        if unchanged_for > retention + _UPLOAD or JOB_FILE not in files.folder(name).names():
            files.folder(name).remove_all()
            removed += 1
            logger.info("An upload that became no job is removed: {}", name)
    return removed
