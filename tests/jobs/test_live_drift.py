"""A job's rows on their way to the drift monitor: once, and never at the job's cost."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from job_makers import draft, over, portfolio, wait_for
from monitors import Here
from prometheus_client import REGISTRY

from drift.monitor import Monitor
from loan_default.bulk.live import Live
from loan_default.bulk.run import Work, run
from loan_default.bulk.summary import Summary
from loan_default.drift_link.link import require_drift_sampled
from loan_default.drift_link.messages import Batch
from loan_default.errors import InvalidQuery
from loan_default.jobs import live_drift
from loan_default.jobs.job import Job
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.live_drift import MARK, Connect, live_of
from loan_default.jobs.worker import Worker
from loan_default.model import LoanModel
from loan_default.served import Served
from loan_default.settings import Settings
from loan_default.storage import Folder, Place

ROWS = 3_000
DRAWN = 300


@pytest.fixture
def monitor(settings: Settings) -> Iterator[Monitor]:
    running = Monitor(settings, 0.0)
    yield running
    running.close()


@dataclass
class Making:
    """A job that asks for the live window, and runs of it in this process."""

    settings: Settings
    jobs: Jobs
    served: Served
    model: LoanModel
    job: Job = field(init=False)

    def __post_init__(self) -> None:
        job_id = self.jobs.new_id("key-1", None)
        made = draft(self.jobs, self.served, portfolio(ROWS), job_id=job_id, key_id="key-1", chunk_rows=500)
        self.job = made.model_copy(update={"live_drift": True})

    @property
    def folder(self) -> Folder:
        return self.jobs.folder(self.job.job_id)

    def live(self, connect: Connect | None, folder: Folder | None = None) -> Live:
        live = live_of(self.job, self.model, folder or self.folder, self.settings, connect)
        assert live is not None
        return live

    def run(self, connect: Connect | None, folder: Folder | None = None) -> Summary:
        kept = folder or self.folder
        source: Place = self.folder.place("source")
        order = self.job.inspected.order
        work = Work(order, source, kept, self.model, "7", threads=1, live=self.live(connect, kept))
        return run(work, lambda _: None, lambda: False)


@pytest.fixture
def making(settings: Settings, jobs: Jobs, promoted: Served, loan_model: LoanModel) -> Making:
    return Making(settings, jobs, promoted, loan_model)


class Killed(BaseException):
    """The end of a worker."""


class Ends:
    """A folder whose worker dies when it writes a file for the `time`th time."""

    def __init__(self, folder: Folder, name: str, time: int) -> None:
        self._folder, self._name, self._left = folder, name, time

    def write(self, name: str, content: bytes) -> None:
        if name == self._name:
            self._left -= 1
            if not self._left:
                raise Killed
        self._folder.write(name, content)

    def __getattr__(self, name: str) -> object:
        return getattr(self._folder, name)


def test_the_rows_enter_the_window_of_the_jobs_model(making: Making, monitor: Monitor) -> None:
    summary = making.run(lambda: Here(monitor))
    verdict = monitor.verdict()
    assert (verdict.model_tag, verdict.window.samples) == (making.served.tag, summary.live_samples)
    assert summary.live_samples is not None
    assert DRAWN - 3 <= summary.live_samples <= DRAWN  # three of the rows are bad


@pytest.mark.parametrize(
    ("name", "time", "taken"),
    [
        (MARK, 1, DRAWN),  # before they left: they leave at the next start
        (MARK, 2, DRAWN),  # after they left, before that is noted
        ("summary.json", 1, DRAWN),  # after it is noted
    ],
)
def test_a_worker_that_dies_at_any_moment_of_it_makes_none_count_twice(
    making: Making, monitor: Monitor, name: str, time: int, taken: int
) -> None:
    dying: Folder = Ends(making.folder, name, time)  # type: ignore[assignment]  # the rest is the folder's
    with pytest.raises(Killed):
        making.run(lambda: Here(monitor), dying)
    for _ in range(2):
        making.run(lambda: Here(monitor))
    assert taken - 3 <= monitor.verdict().window.samples <= taken


class Failing(Here):
    """Does not answer."""

    async def observe(self, _: Batch) -> bool:
        raise ConnectionError


class Lost(Here):
    """Takes what it is given, and its answer is lost."""

    async def observe(self, batch: Batch) -> bool:
        if await super().observe(batch):
            raise ConnectionError
        return False


class Hanging(Here):
    """Does not answer, and does not say so."""

    async def observe(self, _: Batch) -> bool:
        await asyncio.sleep(3600)
        return False


def dropped() -> float:
    return REGISTRY.get_sample_value("loan_drift_samples_dropped_total", {"reason": "unreachable"}) or 0.0


@pytest.mark.parametrize("kind", [Failing, Hanging, None])
def test_a_monitor_in_trouble_costs_the_job_nothing_and_is_counted(
    making: Making,
    monitor: Monitor,
    kind: Callable[[Monitor], Here] | None,
    logged: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_drift, "_WITHIN_S", 0.1)
    before = dropped()
    summary = making.run(None if kind is None else lambda: kind(monitor))
    assert (summary.rows, summary.live_samples) == (ROWS, 0)
    assert DRAWN - 3 <= dropped() - before <= DRAWN
    said = "has no DRIFT_URL" if kind is None else "the job goes on without it"
    assert sum(said in line for line in logged) == 1


def test_an_answer_that_was_lost_is_not_asked_for_again(making: Making, monitor: Monitor) -> None:
    for _ in range(2):
        assert making.run(lambda: Lost(monitor)).live_samples == 0
        making.folder.remove("summary.json")
    assert making.run(lambda: Here(monitor)).live_samples == 0
    assert monitor.verdict().window.samples <= DRAWN


def test_a_job_that_does_not_ask_hands_nothing_over(making: Making) -> None:
    job = making.job.model_copy(update={"live_drift": False})
    assert live_of(job, making.model, making.folder, making.settings, None) is None
    assert not {"live_drift", "traceparent", "folder_id"} & json.loads(job.as_kept()).keys()  # earlier workers read it
    assert Job.model_validate_json(making.job.as_kept()).live_drift


@pytest.mark.parametrize("off", [{"drift_monitor": "off"}, {"drift_sampling_rate": 0.0}])
def test_where_nothing_is_watched_it_cannot_be_asked_for(making: Making, off: dict[str, object]) -> None:
    settings = making.settings.model_copy(update=off)
    with pytest.raises(InvalidQuery, match="DRIFT_MONITOR is off, or DRIFT_SAMPLING_RATE is 0"):
        require_drift_sampled(settings)
    assert live_of(making.job, making.model, making.folder, settings, None) is None  # accepted before, or elsewhere


def test_a_worker_without_an_address_finishes_the_job(making: Making) -> None:
    worker = Worker(making.settings)
    worker.start()
    making.jobs.submit(making.job)
    assert wait_for(making.jobs, making.job.job_id, over).status == "SUCCESS"
    worker.stop()
    assert Summary.model_validate_json(making.folder.read("summary.json")).live_samples == 0
