"""One worker's link to the drift monitor: hands samples over in the background, asks for the verdict.

Nothing of online scoring waits for the monitor. While it is slow, hung or down, samples wait in their buffer and are
dropped and counted when that is full; a batch that was under way is dropped, because it may have arrived.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from loguru import logger

from loan_default.drift_link.client import MonitorRefused
from loan_default.drift_link.messages import Batch, Introduction, Verdict
from loan_default.drift_link.samples import Samples, Waiting
from loan_default.errors import DriftUnavailable, InvalidQuery
from loan_default.metrics import DRIFT_DROPPED
from loan_default.settings import Settings

if TYPE_CHECKING:  # at run time XGBoost comes with the model
    from loan_default.model import LoanModel

_SEND_INTERVAL_S = 1.0
# While the monitor does not answer it is asked less and less often.
_LONGEST_PAUSE_S = 16.0
_ANSWER_WITHIN_S = 2.0
# A report is drawn when it is asked for; online calls are cut off after ten seconds.
_REPORT_WITHIN_S = 9.0

_OFF = "Drift is not watched here: DRIFT_MONITOR is off, or DRIFT_SAMPLING_RATE is 0."
_SILENT = "The drift monitor does not answer; predictions go on without it. Try again in a few seconds."

_Said = TypeVar("_Said")


class MonitorCalls(Protocol):
    """The monitor's calls; another process answers them."""

    async def observe(self, batch: Batch) -> bool:
        """Take samples; False when their model is not known, and must be introduced first."""

    async def introduce(self, model: Introduction) -> None:
        """Get to know a model."""

    async def verdict(self) -> Verdict:
        """Whether the applicants have changed."""

    async def report(self) -> str:
        """The same as a page for people, HTML."""

    async def close(self) -> None:
        """Let go of the connections."""


def require_drift_sampled(settings: Settings) -> None:
    """Raises InvalidQuery where the drift monitor is told of nothing."""
    if not settings.drift_sampled:
        raise InvalidQuery(f"`live_drift` must be left out: {_OFF}")


class DriftLink:
    """The link of one worker."""

    def __init__(self, rate: float) -> None:
        """`rate`: the share of predictions that are sampled, 0 to 1."""
        self.samples = Samples(rate)
        self._monitor: MonitorCalls | None = None
        self._sending: asyncio.Task[None] | None = None

    def start(self, monitor: MonitorCalls) -> None:
        """Hand samples over from now on. Called from within the server's event loop."""
        self._monitor = monitor
        if self.samples.rate > 0:
            self._sending = asyncio.get_running_loop().create_task(self._send_for_ever(monitor))

    async def stop(self) -> None:
        """Stop handing over; what waits is lost."""
        if self._sending is not None:
            self._sending.cancel()
            with suppress(asyncio.CancelledError):
                await self._sending
        if self._monitor is not None:
            await self._monitor.close()

    async def verdict(self) -> Verdict:
        """The monitor's verdict.

        Raises:
            DriftUnavailable: there is no monitor, or it does not answer within two seconds.
        """
        return await _answer(self._asked().verdict, _ANSWER_WITHIN_S)

    async def report(self) -> str:
        """The monitor's page, HTML; raises like `verdict`, after nine seconds."""
        return await _answer(self._asked().report, _REPORT_WITHIN_S)

    def _asked(self) -> MonitorCalls:
        if self._monitor is None:
            raise DriftUnavailable(_OFF)
        return self._monitor

    async def _send_for_ever(self, monitor: MonitorCalls) -> None:
        pause, silent = _SEND_INTERVAL_S, False
        while True:
            await asyncio.sleep(pause)
            try:
                await self._send_what_waits(monitor)
            except Exception as problem:  # noqa: BLE001  # whatever is wrong there, predictions go on here
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                if not silent:
                    logger.warning("The drift monitor does not answer ({}); samples wait", why(problem))
                silent = True
            else:
                pause = _SEND_INTERVAL_S
                if silent:
                    logger.info("The drift monitor answers again")
                silent = False

    async def _send_what_waits(self, monitor: MonitorCalls) -> None:
        # Not what comes meanwhile: under load something always does, and a message costs as much as many samples.
        left = len(self.samples)
        while left > 0 and (waiting := self.samples.take()):
            left -= len(waiting.pd)
            await _hand_over(monitor, waiting)


async def hand_over(
    monitor: MonitorCalls, batch: Batch, introduced: Callable[[], Introduction], within_s: float
) -> int:
    """Hand a batch over, with its model when that is not known there.

    Returns:
        How many rows were taken: all, or none when the monitor does not want them, which is counted.

    Raises:
        Exception: whatever went wrong. The rows may have arrived or not, and are counted as dropped.
    """
    try:
        async with asyncio.timeout(within_s):
            known = await monitor.observe(batch)
            if not known:
                await monitor.introduce(introduced())
                known = await monitor.observe(batch)
    except BaseException:
        DRIFT_DROPPED.labels("unreachable").inc(batch.rows)
        raise
    if not known:
        DRIFT_DROPPED.labels("refused").inc(batch.rows)
    return batch.rows if known else 0


async def _hand_over(monitor: MonitorCalls, waiting: Waiting) -> None:
    served, model = waiting.sampler.served, waiting.sampler.model
    batch = Batch.of(waiting.features, waiting.pd, tag=served.tag)
    await hand_over(monitor, batch, lambda: introduction(served.tag, served.version, model), _ANSWER_WITHIN_S)


def introduction(tag: str, version: str, model: "LoanModel") -> Introduction:
    """What the monitor must know of a model."""
    schema = model.schema
    return Introduction(
        tag=tag,
        version=version,
        features=schema.feature_names,
        nominal=[kind == "c" for kind in schema.feature_types],
        reference=model.reference,
        words=schema.words,
    )


def why(problem: Exception) -> str:
    """What went wrong between us and the monitor, for the log."""
    return str(problem) if isinstance(problem, MonitorRefused) else type(problem).__name__


async def _answer(ask: Callable[[], Awaitable[_Said]], within_s: float) -> _Said:
    """What the monitor says. A question changes nothing, so one that fails is asked once more.

    A connection may be lost for many reasons, and a server that starts again closes all of them.
    """
    try:
        async with asyncio.timeout(within_s):
            try:
                return await ask()
            except Exception:  # noqa: BLE001  # the second answer counts
                return await ask()
    except Exception as problem:
        raise DriftUnavailable(_SILENT) from problem
