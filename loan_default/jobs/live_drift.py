"""Hands the drawn rows of one job to the drift monitor, once: a mark in the job's folder stands before they leave.

Whatever ends the worker meanwhile, they are not sent again, so none counts twice. The price is that a job whose worker
dies in that moment may be missing from the window. The job goes on in any case.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from loguru import logger

from loan_default.bulk.live import Drawn, Live
from loan_default.drift_link import MonitorCalls, MonitorClient
from loan_default.drift_link.link import hand_over, introduction, why
from loan_default.drift_link.messages import Batch, Introduction, Rows
from loan_default.metrics import DRIFT_DROPPED
from loan_default.settings import Settings

if TYPE_CHECKING:
    from loan_default.jobs.job import Job
    from loan_default.model import LoanModel
    from loan_default.storage import Folder

# In the job's folder: how many rows were taken, 0 while that is not known.
MARK: Final = "live-drift"
_WITHIN_S: Final = 5.0

Connect = Callable[[], MonitorCalls]


def connecting(settings: Settings, address: str | None) -> Connect | None:
    """How this worker reaches the drift monitor; None when it knows of none.

    Args:
        settings: with its key.
        address: of the monitor; None where nobody told us.
    """
    return None if address is None else lambda: MonitorClient(address, settings.drift_key)


def live_of(  # the job, and what is around it
    job: "Job", model: "LoanModel", folder: "Folder", settings: Settings, connect: Connect | None
) -> Live | None:
    """What a job does for the live window; None unless its caller asked for that."""
    if not job.live_drift:
        return None
    if not settings.drift_sampled:
        logger.warning("The job's rows do not enter the live window: this worker has DRIFT_MONITOR or sampling off")
        return None
    drawn = Drawn(job.inspected.order.rows, settings.drift_sampling_rate, settings.drift_window_size, job.job_id)
    return Live(drawn, _HandOver(job, model, folder, connect))


class _HandOver:
    def __init__(self, job: "Job", model: "LoanModel", folder: "Folder", connect: Connect | None) -> None:
        self._job, self._model, self._folder, self._connect = job, model, folder, connect

    def __call__(self, drawn: Sequence[Rows]) -> int:
        """Hand them over unless an earlier start did, or began to; returns how many were taken, as far as is known."""
        try:
            return int(self._folder.read(MARK))
        except FileNotFoundError:
            pass
        if not drawn:
            return 0
        batch = self._batch(drawn)
        self._folder.write(MARK, b"0")
        taken = self._send(batch)
        self._folder.write(MARK, str(taken).encode())
        return taken

    def _batch(self, drawn: Sequence[Rows]) -> Batch:
        arrays = [rows.arrays(len(self._model.schema.feature_names)) for rows in drawn]
        features, pd = (np.concatenate(parts) for parts in zip(*arrays, strict=True))
        return Batch.of(features, pd, tag=self._job.model_tag, online=False)

    def _send(self, batch: Batch) -> int:
        if self._connect is None:
            DRIFT_DROPPED.labels("unreachable").inc(batch.rows)
            logger.warning("The job's rows do not enter the live window: this worker has no DRIFT_URL")
            return 0
        try:
            taken = asyncio.run(self._ask(self._connect(), batch))
        except Exception as problem:  # noqa: BLE001  # whatever is wrong there, the job is done all the same
            logger.warning("The drift monitor does not answer ({}); the job goes on without it", why(problem))
            return 0
        logger.info("The drift monitor took {} of the job's rows into its live window", taken)
        return taken

    async def _ask(self, monitor: MonitorCalls, batch: Batch) -> int:
        def introduced() -> Introduction:
            return introduction(self._job.model_tag, self._job.model_version, self._model)

        try:
            return await hand_over(monitor, batch, introduced, _WITHIN_S)
        finally:
            await monitor.close()
