"""What one worker process holds to answer with: the model, the keys, the calls in progress. Empty until `start`."""

import asyncio
import random
from functools import cached_property
from pathlib import Path

from loguru import logger

from loan_default.api.bulk.access import JobAccess
from loan_default.api.in_progress import InProgress
from loan_default.api.listening import Listening
from loan_default.api.loaded import Loaded
from loan_default.api.models import Models
from loan_default.api.records import record_all
from loan_default.api.shutdown import before_sigterm
from loan_default.api.traced import Record, traced_record
from loan_default.decision_log import DecisionLog, open_decision_log
from loan_default.drift_link import DriftLink, MonitorCalls
from loan_default.errors import ModelUnavailable
from loan_default.metrics import MODEL_READY, shared_folder
from loan_default.rate_limit import RateLimits
from loan_default.security import KeyRing, Keys
from loan_default.settings import Settings
from loan_default.tracing import Tracing, open_tracing

_HOUSEKEEPING_S = 1.0
# With several workers, one answer in so many closes its connection; see `closes_connection`.
_ANSWERS_PER_CONNECTION = 500


class Online:
    """The state of one online worker."""

    def __init__(self, settings: Settings, source: Path) -> None:
        self.settings = settings
        self.drift = DriftLink(settings.drift_sampling_rate if settings.drift_watched else 0)
        self.models = Models(settings, source, self.drift.samples)
        self.in_progress = InProgress()
        self.jobs = JobAccess(settings)
        self.stopping = False
        self._key_ring: KeyRing | None = None
        self.limits = RateLimits(0)
        self.log = DecisionLog(None, required=False)
        self.record: Record = record_all
        self._housekeeping: asyncio.Task[None] | None = None

    @cached_property
    def tracing(self) -> Tracing | None:
        """What makes the spans of this worker; None where nobody asked for any. Opened when it is first looked at."""
        return open_tracing(self.settings, "api")

    def load(self) -> None:
        """Load keys and model, start counting and recording."""
        self._key_ring = KeyRing(self.settings)
        self.limits = RateLimits.from_settings(self.settings)
        self.log = open_decision_log(self.settings)
        self.models.tracing = self.tracing
        if self.tracing is not None:
            self.record = traced_record(record_all, self.tracing)
        self.models.start()

    def start(self, monitor: MonitorCalls | None = None) -> None:
        """The same, and keep house from now on. Called from within the server's event loop.

        Args:
            monitor: watches for drift; None where nobody does.
        """
        self.load()
        if monitor is not None:
            self.drift.start(monitor)
        loop = asyncio.get_running_loop()
        before_sigterm(loop, self._begin_stop, self.settings.shutdown_delay_s, Listening(shared_folder()))
        self._housekeeping = loop.create_task(self._keep_house())

    async def stop(self) -> None:
        """Finish what is done in the background."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        await self.drift.stop()
        await self.limits.close()
        await asyncio.to_thread(self.jobs.close)
        await asyncio.to_thread(self.log.close)
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)

    def keys(self) -> Keys:
        """The keys that are valid now."""
        return Keys() if self._key_ring is None else self._key_ring.keys()

    def require_loaded(self) -> Loaded:
        """The loaded model; raises ModelUnavailable with the reason when there is none."""
        if self.models.loaded is None:
            raise ModelUnavailable(self.models.problem)
        return self.models.loaded

    def require_ready(self) -> Loaded:
        """The same for whoever asks whether to send calls here: not any more when the server is about to stop."""
        if self.stopping:
            raise ModelUnavailable("The server is about to stop.")
        return self.require_loaded()

    def model_info(self) -> dict[str, object]:
        """What `GET /api/v1/model/info` says."""
        return {**self.require_loaded().info(), "alias": self.settings.model_stage}

    def closes_connection(self) -> bool:
        """Whether the connection of the present answer is to be closed after it.

        Always when the server is about to stop. Otherwise now and then when there are several workers: the kernel gives
        connections that are opened together to whichever worker wakes up first, often all to one, and a kept-alive
        connection never changes hands. One that is closed in good order is opened again, and then the idle worker is
        the first to take it.
        """
        return self.stopping or (self.settings.workers > 1 and random.random() * _ANSWERS_PER_CONNECTION < 1)  # noqa: S311

    def _begin_stop(self) -> None:
        self.stopping = True
        MODEL_READY.labels(self.settings.model_stage).set(0)
        self.in_progress.end()
        logger.info("Stopping: not ready any more; what is under way is finished")

    async def _keep_house(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            try:
                self.in_progress.cancel_overdue()
                if self._key_ring is not None:
                    self._key_ring.refresh()
                await self.models.look(loop.time())
            except Exception:  # noqa: BLE001  # the house must be kept tomorrow too
                logger.exception("Unexpected error")
