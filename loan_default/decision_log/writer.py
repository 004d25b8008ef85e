"""The one thread of a process that writes decisions: collects them, writes them in batches, removes what is too old."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from loguru import logger

from loan_default import metrics
from loan_default.decision_log.group import Group
from loan_default.decision_log.record import Decided, Line
from loan_default.decision_log.recorder import Recorder
from loan_default.decision_log.store import Reason, Store, StoreUnavailable
from loan_default.errors import DecisionLogUnavailable

# What a kill -9 can lose of decisions that nobody waited for: those of so many seconds.
FLUSH_INTERVAL_S = 0.2
# Decisions that wait at most, some 30 MB; what comes on top is dropped and counted.
MOST_WAITING = 50_000
_BATCH = 2_000
_RETRY_S = 1.0
_TELL_INTERVAL_S = 60.0
_EXPIRE_INTERVAL_S = 3600.0
_CLOSE_WITHIN_S = 5.0


class Writer:
    """Takes decisions from the event loop, gives them to a store in a thread of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recorder = Recorder()
        # Most decisions are made into lines where they are taken, on the event loop: that costs less there than in a
        # thread that needs Python's lock for each of them while answers are given.
        self._at_once = Recorder()
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._wake = threading.Event()
        self._most_waiting = MOST_WAITING
        self._closing = False
        self._waiting: deque[Decided | Line] = deque()
        self._groups: deque[Group] = deque()
        self._in_groups = 0
        self._held: list[Line] = []  # taken from `_waiting`, not written yet
        self._trouble: StoreUnavailable | None = None
        self._dropped = self._told_of_dropped = 0
        self._flush_at = self._tell_at = self._expire_at = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def append(self, decided: Decided) -> None:
        """Take a decision, or count it as dropped."""
        if len(self._waiting) < self._most_waiting:
            self._waiting.append(self._at_once.line(decided) or decided)
        else:
            self._drop(1)

    def has_room_for(self, n: int) -> bool:
        """Whether so many more decisions may wait until they are kept."""
        return self._in_groups + n <= self._most_waiting

    def append_group(self, group: Group, wait_s: float) -> None:
        """Take decisions whose callers wait, for so long at most. From within the event loop."""
        group.refuse_after(wait_s)
        self._in_groups += group.size
        self._groups.append(group)
        self._wake.set()

    def close(self) -> None:
        """Write what is waiting and stop, within a few seconds."""
        self._most_waiting = 0
        self._closing = True
        self._wake.set()
        self._thread.join(_CLOSE_WITHIN_S)
        left = len(self._waiting) + len(self._held)
        if left:
            self._waiting.clear()
            self._held = []
            self._drop(left)
            logger.error("Decision log: {} decisions were lost at the end of the process", left)

    def _run(self) -> None:
        while not self._closing:
            if not self._groups:
                self._wake.wait(max(0.0, self._flush_at - time.monotonic()))
            self._wake.clear()
            self._write_groups()
            if time.monotonic() >= self._flush_at:
                self._flush()
                self._tell_of_dropped()
                self._expire_when_due()
                self._flush_at = time.monotonic() + (FLUSH_INTERVAL_S if self._trouble is None else _RETRY_S)
        while self._groups:
            self._write_groups()
        self._flush()
        with suppress(Exception):  # it was told when it began, and this is the end
            self._store.close()

    def _flush(self) -> None:
        """Write what nobody waits for, as far as the store takes it."""
        while self._held or self._waiting:
            if not self._held:
                taken = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                made = iter(self._recorder.lines([one for one in taken if isinstance(one, Decided)]))
                lines = [one if isinstance(one, Line) else next(made) for one in taken]
                self._held = [line for line in lines if line is not None]
                self._drop(len(taken) - len(self._held), "unrecordable")
            try:
                self._write(self._held, durable=False)
            except StoreUnavailable as unavailable:
                del self._held[: unavailable.written]
                return
            self._held = []

    def _write_groups(self) -> None:
        """Write what callers wait for: what has come meanwhile, in one go."""
        groups: list[Group] = []
        decided: list[Decided] = []
        while self._groups and len(decided) < _BATCH:
            group = self._groups.popleft()
            groups.append(group)
            if not group.given_up:
                decided += group
        lines = self._recorder.lines(decided)
        error = self._keep([line for line in lines if line is not None])
        unrecordable = frozenset(one.decision_id for one, line in zip(decided, lines, strict=True) if line is None)
        for group in groups:
            with suppress(RuntimeError):  # the event loop has ended, and its callers with it
                group.loop.call_soon_threadsafe(self._settle, group, error, unrecordable)

    def _keep(self, lines: Sequence[Line]) -> DecisionLogUnavailable | None:
        try:
            self._write(lines, durable=True)
        except StoreUnavailable:
            return DecisionLogUnavailable("The decision log cannot be written, so no decision is given; try later.")
        return None

    def _settle(self, group: Group, error: DecisionLogUnavailable | None, unrecordable: frozenset[str]) -> None:
        self._in_groups -= group.size
        group.settle(error, unrecordable)

    def _write(self, lines: Sequence[Line], *, durable: bool) -> None:
        if not lines:
            return
        try:
            with metrics.DECISION_WRITE_SECONDS.labels(self._store.name).time():
                self._store.write(lines, durable=durable)
        except StoreUnavailable as unavailable:
            metrics.DECISIONS_WRITTEN.labels(self._store.name).inc(unavailable.written)
            self._begin_trouble(unavailable)
            raise
        except Exception as error:  # the thread must go on; the error's text may quote a record
            surprise = StoreUnavailable("unwritable", f"an unexpected {type(error).__name__}")
            self._begin_trouble(surprise)
            raise surprise from error
        metrics.DECISIONS_WRITTEN.labels(self._store.name).inc(len(lines))
        self._end_trouble()

    def _begin_trouble(self, unavailable: StoreUnavailable) -> None:
        metrics.DECISION_WRITE_FAILURES.labels(unavailable.reason).inc()
        if self._trouble is None or self._trouble.reason != unavailable.reason:
            logger.error("Decision log: it cannot be written, and is tried again: {}", unavailable.explanation)
        self._trouble = unavailable

    def _end_trouble(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            self._tell_at = 0.0
            logger.warning("Decision log: it is written again")

    def _drop(self, n: int, reason: Reason | None = None) -> None:
        if n:
            metrics.DECISIONS_DROPPED.labels(reason or self._why_full()).inc(n)
            self._dropped += n

    def _why_full(self) -> Reason:
        if self._closing:
            return "shutdown"
        return "overrun" if self._trouble is None else self._trouble.reason

    def _tell_of_dropped(self) -> None:
        now, dropped = time.monotonic(), self._dropped
        if dropped > self._told_of_dropped and now >= self._tell_at:
            logger.error("Decision log: {} decisions were dropped", dropped - self._told_of_dropped)
            self._told_of_dropped, self._tell_at = dropped, now + _TELL_INTERVAL_S

    def _expire_when_due(self) -> None:
        now = time.monotonic()
        if now < self._expire_at:
            return
        self._expire_at = now + _EXPIRE_INTERVAL_S
        try:
            if self._store.expire():
                self._expire_at = 0.0  # more of it at the next flush
        except StoreUnavailable as unavailable:
            logger.warning("Decision log: what is too old cannot be removed: {}", unavailable.explanation)
        except Exception as error:  # noqa: BLE001  # the thread must go on
            logger.error("Decision log: what is too old cannot be removed: {}", type(error).__name__)
