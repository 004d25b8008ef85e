"""The Bento's services, put together: endpoints only, no logic.

    bentoml serve service:LoanDefault

BentoML fixes workers, timeouts and request types when a service class is declared, so this file, unlike every other
module, reads the settings and the served model's columns when it is imported.
"""

import sys

from loan_default.priority import give_way

# BentoML names the service of a process among its arguments. Online scoring goes first, already while all of them
# import what follows, which takes seconds; jobs come last.
if "JobWorker" in sys.argv:
    give_way(19)
elif "DriftMonitor" in sys.argv:
    give_way(10)

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import bentoml
from bentoml.exceptions import ServiceUnavailable
from pydantic import BaseModel, Field

from drift.service import DriftMonitor
from loan_default.api.front import Front
from loan_default.api.in_progress import CALL_SECONDS
from loan_default.api.layers import around
from loan_default.api.loaded import Prediction
from loan_default.api.native import MAX_LIST, Refusal, argument, predict_in_process
from loan_default.api.online import Online
from loan_default.api.packing import packed_model
from loan_default.drift_link import MonitorClient
from loan_default.errors import DecisionLogUnavailable, ModelUnavailable
from loan_default.image import slim_image
from loan_default.logs import configure_logging
from loan_default.settings import read_settings
from loan_default.supervisor import take_over

_settings = read_settings()
take_over(_settings)
_online = Online(_settings, Path(__file__).resolve().parent)
if TYPE_CHECKING:
    Applications = list[BaseModel]
else:
    Applications = argument(_online.models.applicant_model)


@bentoml.service(
    name="JobWorker",
    workers=1,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
class JobWorker:
    """Works on bulk jobs, in a process of its own; nobody calls it."""

    if _settings.drift_sampled:
        drift_monitor = bentoml.depends(DriftMonitor, url=_settings.drift_url)

    def __init__(self) -> None:
        from loan_default.jobs.worker import Worker  # with pyarrow, which online scoring does without

        configure_logging(_settings)
        self._worker = Worker(_settings, self.drift_monitor.to_async.url if _settings.drift_sampled else None)
        self._worker.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def finish(self) -> None:
        """Give the job that runs back to the queue."""
        await asyncio.to_thread(self._worker.stop)


@bentoml.service(
    name="LoanDefault",
    image=slim_image(),
    workers=_settings.workers,
    traffic={"timeout": CALL_SECONDS},
    metrics={"enabled": False},  # BentoML's label every request by its raw path: a stranger could create series
    logging={"access": {"enabled": False}},  # `Observe` logs what failed, with the request id
    tracing={"excluded_urls": ".*"},  # its middleware costs more than a prediction, exporter or not
    runner_probe={"enabled": False},  # readiness is the model's, not that of the services beside it
)
class LoanDefault:
    """Calibrated probabilities of default for loan applicants."""

    packed = packed_model(_online)
    # Named here, BentoML starts them, and starts them again when they die.
    if _settings.job_worker == "on":
        job_worker = bentoml.depends(JobWorker)
    if _settings.drift_watched:
        drift_monitor = bentoml.depends(DriftMonitor, url=_settings.drift_url)  # with a URL, one that runs elsewhere

    def __init__(self) -> None:
        configure_logging(_settings)
        _online.start(MonitorClient.of(self.drift_monitor, _settings.drift_key) if _settings.drift_watched else None)
        # What was loaded stays for good: keep it out of every later garbage collection, and make those rarer, though
        # not so rare that one takes long. A request leaves no cycles behind; computing reasons leaves a few.
        gc.collect()
        gc.freeze()
        gc.set_threshold(5_000, 20, 100)

    @bentoml.api(batchable=True, max_batch_size=MAX_LIST, max_latency_ms=int(CALL_SECONDS * 1000))  # type: ignore[untyped-decorator]
    async def predict(self, applications: Applications) -> list[Prediction | Refusal]:
        """Score a list of applicants; the answers come in the same order, and a bad row answers for itself."""
        try:
            return await predict_in_process(_online, applications)
        except (ModelUnavailable, DecisionLogUnavailable) as error:
            raise ServiceUnavailable(error.message) from error

    @bentoml.task  # type: ignore[untyped-decorator]
    async def score(  # noqa: PLR0913, PLR0917  # BentoML makes the call's schema of them
        self,
        portfolio: Annotated[Path, Field(description="A CSV, a CSV compressed with gzip, or Parquet.")],
        reasons: Annotated[bool, Field(description="Whether each declined row gets its reasons.")] = False,
        live_drift: Annotated[bool, Field(description="Whether a sample of its rows is watched for drift.")] = False,
        separator: Annotated[str | None, Field(description="Of a CSV; found when it is not said.")] = None,
        encoding: Annotated[str | None, Field(description="Of a CSV; found when it is not said.")] = None,
        decimal: Annotated[str | None, Field(description="The decimal mark of a CSV.")] = None,
    ) -> Path:
        """Score a portfolio; the result is a Parquet file with its rows in the same order. Hand it in by `submit`."""
        # For BentoML's schema: `loan_default/api/bulk/tasks.py` answers, from jobs that outlive this process.
        raise NotImplementedError

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def finish(self) -> None:
        """Finish what is done in the background."""
        await _online.stop()


LoanDefault.add_asgi_middleware(Front, wrap=around(_online))  # type: ignore[attr-defined]  # it is a Service by now
