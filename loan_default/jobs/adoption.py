"""Jobs of dead workers go back into the queue, each of them once."""

from typing import TYPE_CHECKING

from loguru import logger

from loan_default.jobs.database import QUEUE, WORKFLOW
from loan_default.jobs.liveness import Liveness

if TYPE_CHECKING:
    from dbos import DBOSClient, WorkflowStatus


def adopt(client: "DBOSClient", liveness: Liveness, own_id: str) -> int:
    """Put the jobs of every dead worker back into the queue; returns how many.

    The dead one's lock is held meanwhile and its jobs are listed anew under it, so that two that notice the same death
    do not both do it.
    """
    adopted = 0
    for owner in {row.executor_id or "" for row in _running(client)} - {own_id, ""}:
        with liveness.dead(owner) as dead:
            if dead:
                adopted += put_back(client, owner)
    return adopted


def put_back(client: "DBOSClient", executor_id: str) -> int:
    """Put what a worker has back into the queue; returns how many jobs that are."""
    jobs = [row.workflow_id for row in _running(client, executor_id)]
    if jobs:
        client.resume_workflows(jobs, queue_name=QUEUE)
        for job_id in jobs:
            logger.bind(job_id=job_id).info("The job goes back into the queue: its worker is gone")
    return len(jobs)


def _running(client: "DBOSClient", executor_id: str | None = None) -> "list[WorkflowStatus]":
    return client.list_workflows(
        name=WORKFLOW, status="PENDING", executor_id=executor_id, load_input=False, load_output=False
    )
