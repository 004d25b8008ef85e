"""The BentoML service of the drift monitor, in a process of its own.

    bentoml serve drift.service:DriftMonitor     alone, for API servers with DRIFT_URL

`service.py` starts it beside the online workers, which reach it through a socket that is no network port. Alone it has
a port; `guard.py` says who may call it, and how. It needs no model, no store and nothing of `service.py`. Like that
one, and unlike every other module, this one reads the settings when it is imported.
"""

import asyncio
import time

import bentoml
from bentoml.exceptions import InvalidArgument
from loguru import logger

from drift.guard import Guard
from drift.metrics_page import MetricsPage
from drift.monitor import Monitor
from drift.report import Reports
from loan_default.drift_link.messages import Batch, Introduction, Verdict
from loan_default.image import slim_image
from loan_default.logs import configure_logging
from loan_default.settings import read_settings
from loan_default.supervisor import take_over

_settings = read_settings()
take_over(_settings)  # as `service.py` does, for a monitor that stands alone


@bentoml.service(
    name="DriftMonitor",
    image=slim_image(),
    workers=1,
    traffic={"timeout": 30},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
class DriftMonitor:
    """Compares samples of the online predictions with the reference."""

    def __init__(self) -> None:
        configure_logging(_settings)
        self._monitor = Monitor(_settings, time.time())
        self._reports = Reports()
        self._checking = asyncio.get_running_loop().create_task(self._check_for_ever())

    @bentoml.api  # type: ignore[untyped-decorator]
    async def observe(self, batch: Batch) -> bool:
        """Take samples; false when their model must be introduced first."""
        try:
            return self._monitor.take(batch, time.time())
        except ValueError as error:
            raise InvalidArgument(str(error)) from error

    @bentoml.api  # type: ignore[untyped-decorator]
    async def introduce(self, model: Introduction) -> None:
        """Get to know a model."""
        try:
            self._monitor.introduce(model, time.time())
        except ValueError as error:
            raise InvalidArgument(str(error)) from error

    @bentoml.api  # type: ignore[untyped-decorator]
    async def verdict(self) -> Verdict:
        """Whether the applicants have changed."""
        return self._monitor.verdict()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def report(self) -> str:
        """The same as a page for people, HTML."""
        return await self._reports.draw(self._monitor.comparison())

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def finish(self) -> None:
        """Write what must outlive the process."""
        self._checking.cancel()
        self._monitor.close()
        self._reports.close()

    async def _check_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_settings.drift_check_interval_s)
            try:
                self._monitor.check(time.time())
            except Exception:  # noqa: BLE001  # the next check may go well
                logger.exception("Unexpected error")


DriftMonitor.add_asgi_middleware(Guard, settings=_settings)  # type: ignore[attr-defined]  # it is a Service by now
DriftMonitor.add_asgi_middleware(MetricsPage)  # type: ignore[attr-defined]
