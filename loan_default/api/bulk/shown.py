"""A job as each face tells of it: flat, and never with more than its caller may know."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from loan_default.api.bulk.routes import BATCH_PATH

if TYPE_CHECKING:
    from loan_default.bulk.inspect import Inspected
    from loan_default.jobs.job import JobView

# How BentoML calls each state of a task.
_TASK_STATES = {
    "PENDING": "pending",
    "PROGRESS": "in_progress",
    "SUCCESS": "completed",
    "FAILURE": "failed",
    "CANCELLED": "canceled",
}


def job_fields(view: "JobView", inspected: "Inspected | None" = None) -> dict[str, Any]:
    """What the REST face says of a job; how it was read, too, when that is given."""
    url = f"{BATCH_PATH}/{view.job_id}"
    done = view.status == "SUCCESS"
    fields: dict[str, Any] = {
        "success": True,
        **view.model_dump(mode="json"),
        "results_url": f"{url}/results" if done else None,
        "rejects_url": f"{url}/rejects" if done else None,
        "summary_url": f"{url}/summary" if done else None,
    }
    if inspected is not None:
        fields["read_as"] = read_as(inspected)
    return fields


def read_as(inspected: "Inspected") -> dict[str, Any]:
    """How a portfolio was read: nothing of it is guessed in silence."""
    return {
        **inspected.order.written.model_dump(mode="json"),
        "columns": inspected.columns,
        "missing": list(inspected.missing),
        "carried": list(inspected.carried),
        "notes": list(inspected.notes),
    }


def task_fields(view: "JobView") -> dict[str, Any]:
    """What BentoML's face says of a job: BentoML's own fields, and how far it is."""
    return {
        "task_id": view.job_id,
        "status": _TASK_STATES[view.status],
        "created_at": _time(view.created_at),
        "executed_at": _time(view.started_at),
        "completed_at": _time(view.finished_at),
        "message": view.message,
        "progress": view.progress,
        "rows": view.total_predictions,
        "rows_done": view.completed + view.rejected,
        "rows_rejected": view.rejected,
        "rows_per_second": view.rows_per_second,
        "seconds_left": view.seconds_left,
        "error": view.error,
        "model_version": view.model_version,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
