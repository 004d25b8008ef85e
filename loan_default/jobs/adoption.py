"""Jobs that nobody works on go back into the queue, each of them once: of dead workers, and those that got lost."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loguru import logger

from loan_default.jobs.database import QUEUE, WORKFLOW
from loan_default.jobs.liveness import Liveness

if TYPE_CHECKING:
    from dbos import DBOSClient, WorkflowStatus


def adopt(client: "DBOSClient", liveness: Liveness, own_id: str) -> set[str]:
    """Put the jobs of every dead worker back into the queue; returns those that the queue has as our own.

    The dead one's lock is held meanwhile and its jobs are listed anew under it, so that two that notice the same death
    do not both do it.
    """
    running = _running(client)
    for owner in {row.executor_id or "" for row in running} - {own_id, ""}:
        with liveness.dead(owner) as dead:
            if dead:
                put_back(client, owner)
    return {row.workflow_id for row in running if row.executor_id == own_id}


def put_back(client: "DBOSClient", executor_id: str) -> None:
    """Put what a worker has back into the queue."""
    _queue(client, [row.workflow_id for row in _running(client, executor_id)], "its worker is gone")


class Lost:
    """Finds jobs that the queue has as ours though nobody here works on them.

    DBOS leaves a job so when its end, or its beginning, cannot be written down: the disk under the queue is full.
    """

    def __init__(self) -> None:
        self._suspected: set[str] = set()

    def put_back(self, client: "DBOSClient", ours: set[str], working_on: str | None) -> None:
        """Put those back into the queue that were so at the last look, too: others are on their way from or to it."""
        found = ours - {working_on}
        again = found & self._suspected
        self._suspected = found
        _queue(client, sorted(again), "how it ended could not be written down")


def _queue(client: "DBOSClient", jobs: Sequence[str], why: str) -> None:
    if jobs:
        client.resume_workflows(list(jobs), queue_name=QUEUE)
    for job_id in jobs:
        logger.bind(job_id=job_id).info("The job goes back into the queue: {}", why)


def _running(client: "DBOSClient", executor_id: str | None = None) -> "list[WorkflowStatus]":
    return client.list_workflows(
        name=WORKFLOW, status="PENDING", executor_id=executor_id, load_input=False, load_output=False
    )
