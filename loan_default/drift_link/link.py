"""One worker's link to the drift monitor: hands samples over in the background, asks for the verdict.

Nothing of online scoring waits for the monitor. While it is slow, hung or down, samples wait in their buffer and are
dropped and counted when that is full; a batch that was under way is dropped, because it may have arrived.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from loguru import logger

from loan_default.drift_link.messages import Batch, Introduction, Verdict
from loan_default.drift_link.samples import Samples, Waiting
from loan_default.errors import DriftUnavailable
from loan_default.metrics import DRIFT_DROPPED

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
                while waiting := self.samples.take():
                    await _hand_over(monitor, waiting)
            except Exception as problem:  # noqa: BLE001  # whatever is wrong there, predictions go on here
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                if not silent:
                    logger.warning("The drift monitor does not answer ({}); samples wait", type(problem).__name__)
                silent = True
            else:
                pause = _SEND_INTERVAL_S
                if silent:
                    logger.info("The drift monitor answers again")
                silent = False


async def _hand_over(monitor: MonitorCalls, waiting: Waiting) -> None:
    """Hand a batch over, or count it as dropped and raise whatever went wrong."""
    sampler, rows = waiting.sampler, len(waiting.pd)
    batch = Batch.of(sampler.served.tag, waiting.features, waiting.pd)
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            known = await monitor.observe(batch)
            if not known:
                await monitor.introduce(_introduction(waiting))
                known = await monitor.observe(batch)
    except BaseException:
        DRIFT_DROPPED.labels("unreachable").inc(rows)
        raise
    if not known:
        DRIFT_DROPPED.labels("refused").inc(rows)


def _introduction(waiting: Waiting) -> Introduction:
    served, model = waiting.sampler.served, waiting.sampler.model
    schema = model.schema
    return Introduction(
        tag=served.tag,
        version=served.version,
        features=schema.feature_names,
        nominal=[kind == "c" for kind in schema.feature_types],
        reference=model.reference,
        words=schema.words,
    )


async def _answer(ask: Callable[[], Awaitable[_Said]], within_s: float) -> _Said:
    """What the monitor says. A question changes nothing, so one that fails is asked once more.

    BentoML's client closes its connections after every hundred calls, those that still wait for an answer too: a report
    that takes seconds would be lost whenever others have much to say meanwhile.
    """
    try:
        async with asyncio.timeout(within_s):
            try:
                return await ask()
            except Exception:  # noqa: BLE001  # the second answer counts
                return await ask()
    except Exception as problem:
        raise DriftUnavailable(_SILENT) from problem
