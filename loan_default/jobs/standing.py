"""How a job stands, from the one row that the queue's database has of it.

What is not DBOS's own is kept with the row as its attributes, so that a look at a job, or at a list of them, is one
query and opens no file: the rows to score, the model, and, while a worker has it, how far it is.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from loan_default.bulk.progress import Progress
from loan_default.decision import Stored
from loan_default.errors import JobUnreadable
from loan_default.jobs.job import JobView, State

if TYPE_CHECKING:
    from dbos import WorkflowStatus

_STATES: Final[dict[str, State]] = {
    "ENQUEUED": "PENDING",
    "DELAYED": "PENDING",
    "PENDING": "PROGRESS",
    "SUCCESS": "SUCCESS",
    "ERROR": "FAILURE",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "FAILURE",
    "CANCELLED": "CANCELLED",
}
# As DBOS calls them: those that wait or run.
OPEN: Final = ["ENQUEUED", "DELAYED", "PENDING"]
OVER: Final = [status for status in _STATES if status not in OPEN]


class Standing(Stored):
    """What is kept with a job's row.

    Attributes:
        created_at: when it was accepted; DBOS keeps whole seconds in SQLite.
        rows: to score.
        model_version: of the model that scores them.
        cancelled: it was cancelled and not retried since; says so even to whoever puts the row back into the queue.
        started_at: Unix time of the first start.
        progress: as told last.
        trouble: why it waits although a worker has it; None when it does not.
    """

    created_at: datetime
    rows: int
    model_version: str
    cancelled: bool = False
    started_at: float | None = None
    progress: Progress | None = None
    trouble: str | None = None


def standing(row: "WorkflowStatus") -> Standing:
    """What is kept with a row. Raises JobUnreadable when another version keeps it otherwise."""
    try:
        return Standing.model_validate(row.attributes)
    except ValidationError:
        raise JobUnreadable from None


def folder_name(row: "WorkflowStatus") -> str:
    """The name of a job's folder: the argument of its workflow, which never changes. `row` must be listed with it."""
    if row.input is None:
        raise ValueError("listed without its input")
    return str(row.input["args"][0])


def view_of(row: "WorkflowStatus", retention: timedelta) -> JobView:
    """A job as both faces show it."""
    now, state = standing(row), _STATES[row.status]
    progress = now.progress
    done, rejected = (progress.rows_done, progress.rows_rejected) if progress else (0, 0)
    rate = progress.rows_done / progress.seconds if progress and progress.seconds > 0 and state == "PROGRESS" else None
    finished = None if state in {"PENDING", "PROGRESS"} else _time(row.completed_at)
    return JobView(
        job_id=row.workflow_id,
        key_id=row.authenticated_user or "",
        status=state,
        message=_message(state, now),
        progress=100 if state == "SUCCESS" else min(99, 100 * done // max(1, now.rows)),
        total_predictions=now.rows,
        completed=done - rejected,
        rejected=rejected,
        rows_per_second=rate,
        seconds_left=None if not rate else (now.rows - done) / rate,
        error=str(row.error) if state == "FAILURE" else None,
        created_at=now.created_at,
        started_at=None if now.started_at is None else datetime.fromtimestamp(now.started_at, UTC),
        finished_at=finished,
        expires_at=None if finished is None else finished + retention,
        model_version=now.model_version,
    )


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _message(state: State, now: Standing) -> str:
    if state == "PENDING":
        return "Waiting for a worker."
    if state == "PROGRESS":
        if now.trouble:
            return now.trouble
        return "Putting the results together." if now.progress and now.progress.stage != "scoring" else "Scoring."
    if state == "SUCCESS":
        return "All rows were dealt with; the results are ready."
    if state == "FAILURE":
        return "It failed; what is scored is kept, and a retry goes on there."
    return "It was cancelled; what is scored is kept, and a retry goes on there."
