"""The link of a worker to a monitor that answers, is slow, hangs or is not there."""

import asyncio
import time
from collections.abc import Iterator

import numpy as np
import pytest

from drift.monitor import Monitor
from loan_default.drift_link import DriftLink, link
from loan_default.drift_link.messages import Batch, Introduction, Verdict
from loan_default.errors import DriftUnavailable
from loan_default.metrics import DRIFT_DROPPED
from loan_default.model import LoanModel
from loan_default.served import Served
from loan_default.settings import Settings
from loan_default.training.data import Dataset


class Answering:
    """The real monitor, in this process; it hangs or fails when told to."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.hangs = False
        self.fails = False
        self.introduced = 0

    async def observe(self, batch: Batch) -> bool:
        await self._behave()
        return self.monitor.take(batch, time.time())

    async def introduce(self, model: Introduction) -> None:
        await self._behave()
        self.introduced += 1
        self.monitor.introduce(model, time.time())

    async def verdict(self) -> Verdict:
        await self._behave()
        return self.monitor.verdict()

    async def report(self) -> str:
        await self._behave()
        return "<p>"

    async def close(self) -> None:
        pass

    async def _behave(self) -> None:
        if self.fails:
            raise ConnectionError
        if self.hangs:
            await asyncio.sleep(3600)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_SEND_INTERVAL_S", 0.01)
    monkeypatch.setattr(link, "_LONGEST_PAUSE_S", 0.04)
    monkeypatch.setattr(link, "_ANSWER_WITHIN_S", 0.05)


@pytest.fixture
def answering(settings: Settings) -> Iterator[Answering]:
    monitor = Monitor(settings, 0.0)
    yield Answering(monitor)
    monitor.close()


def offer(started: DriftLink, served: Served, model: LoanModel, dataset: Dataset, rows: int) -> None:
    sampler = started.samples.sampler(served, model)
    assert sampler is not None
    applicants = dataset.applicants[:rows]
    sampler.offer(model.features.matrix(applicants), model.pd(applicants))


async def until(true: object, within_s: float = 10.0) -> None:
    assert callable(true)
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def test_a_model_is_introduced_once_and_its_samples_arrive(
    answering: Answering, promoted: Served, loan_model: LoanModel, dataset: Dataset
) -> None:
    async def run() -> int:
        started = DriftLink(1.0)
        started.start(answering)
        for rows in (300, 200):
            before = answering.monitor.verdict().window.samples
            offer(started, promoted, loan_model, dataset, rows)
            await until(lambda before=before, rows=rows: answering.monitor.verdict().window.samples == before + rows)
        found = (await started.verdict()).window.samples
        await started.stop()
        return found

    assert asyncio.run(run()) == 500
    assert answering.introduced == 1


def test_samples_that_come_while_others_are_sent_wait_for_the_next_time(
    answering: Answering, promoted: Served, loan_model: LoanModel, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_SEND_INTERVAL_S", 0.05)
    taken: list[float] = []
    matrix = loan_model.features.matrix(dataset.applicants[:10])

    async def run() -> None:
        started = DriftLink(1.0)
        sampler = started.samples.sampler(promoted, loan_model)
        assert sampler is not None
        observe = answering.observe

        async def observed(batch: Batch) -> bool:
            known = await observe(batch)
            if known:
                taken.append(time.monotonic())
            sampler.offer(matrix, loan_model.pd_of_features(matrix))  # there is load
            return known

        answering.observe = observed  # type: ignore[method-assign]
        started.start(answering)
        sampler.offer(matrix, loan_model.pd_of_features(matrix))
        await until(lambda: len(taken) == 5)
        await started.stop()

    asyncio.run(run())
    assert np.diff(taken).min() > 0.04  # timers may be a little early


@pytest.mark.parametrize("fault", ["hangs", "fails"])
def test_a_monitor_in_trouble_is_left_alone_and_found_again(  # noqa: PLR0913, PLR0917  # fixtures
    answering: Answering, promoted: Served, loan_model: LoanModel, dataset: Dataset, logged: list[str], fault: str
) -> None:
    before = dropped("unreachable")

    async def run() -> None:
        started = DriftLink(1.0)
        setattr(answering, fault, True)
        started.start(answering)
        offer(started, promoted, loan_model, dataset, 300)
        await until(lambda: dropped("unreachable") == before + 300)
        with pytest.raises(DriftUnavailable, match="does not answer"):
            await started.verdict()
        setattr(answering, fault, False)
        offer(started, promoted, loan_model, dataset, 200)
        await until(lambda: answering.monitor.verdict().window.samples == 200)
        await until(lambda: any("answers again" in line for line in logged))
        await started.stop()

    asyncio.run(run())
    assert sum("does not answer (" in line for line in logged) == 1


def test_a_question_that_fails_once_is_answered(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a connection is lost while it waits for an answer."""
    asked = []

    async def lost_once() -> str:
        asked.append(1)
        if len(asked) == 1:
            raise ConnectionError
        return "<p>"

    async def ask() -> str:
        started = DriftLink(0.0)
        started.start(answering)
        return await started.report()

    monkeypatch.setattr(answering, "report", lost_once)
    assert asyncio.run(ask()) == "<p>"
    assert len(asked) == 2


def test_without_a_monitor_the_verdict_says_how_to_get_one() -> None:
    with pytest.raises(DriftUnavailable, match="DRIFT_MONITOR"):
        asyncio.run(DriftLink(0.0).verdict())


def test_scoring_does_not_notice_a_monitor_that_hangs(
    answering: Answering, promoted: Served, loan_model: LoanModel, dataset: Dataset
) -> None:
    answering.hangs = True

    async def run() -> int:
        started = DriftLink(1.0)
        started.start(answering)
        sampler = started.samples.sampler(promoted, loan_model)
        assert sampler is not None
        features, pd = loan_model.features.matrix(dataset.applicants[:1_000]), np.zeros(1_000)
        for _ in range(200):  # 200,000 rows, four times what may wait
            sampler.offer(features, pd)
        waiting = len(started.samples)
        await started.stop()
        return waiting

    assert asyncio.run(run()) == 50_000


def dropped(reason: str) -> float:
    return float(DRIFT_DROPPED.labels(reason)._value.get())  # noqa: SLF001  # there is no public way
