"""The calls that a worker is answering: how many at once, and until when.

A timer for each call would cost more than a prediction, so there is none: calls note their deadline, and whoever keeps
the house (`Online`) asks once in a while which are over it.
"""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

# More calls than this at once wait longer for their answer than a caller should; they are told to come back.
MOST_CALLS = 1000
CALL_SECONDS = 10.0


class InProgress:
    """The tasks that answer calls now, with their deadlines by `time.perf_counter`."""

    def __init__(self, most: int = MOST_CALLS) -> None:
        self._most = most
        self._deadlines: dict[asyncio.Task[object], float] = {}
        self._overdue: set[asyncio.Task[object]] = set()
        self._ending = False

    def __len__(self) -> int:
        return len(self._deadlines)

    @property
    def full(self) -> bool:
        """Whether one more call would be too many."""
        return len(self._deadlines) >= self._most

    def enter(self, task: "asyncio.Task[object]", deadline: float) -> None:
        """A call begins, and should be over at `deadline`."""
        self._deadlines[task] = deadline

    def leave(self, task: "asyncio.Task[object]") -> None:
        """A call is over."""
        del self._deadlines[task]
        if self._overdue:
            self._overdue.discard(task)

    def was_overdue(self, task: "asyncio.Task[object]") -> bool:
        """Whether a call was cancelled because of its deadline, rather than by the server's shutdown."""
        return task in self._overdue

    @contextmanager
    def without_deadline(self) -> Iterator[None]:
        """The present call may take as long as its portfolio is long, and minds itself that it does not stand still.

        When the server is about to stop, it has as long as any other.
        """
        task = asyncio.current_task()
        if task not in self._deadlines:  # nobody observes it
            yield
            return
        self._deadlines[task] = time.perf_counter() + CALL_SECONDS if self._ending else math.inf
        try:
            yield
        finally:
            self._deadlines[task] = time.perf_counter() + CALL_SECONDS

    def end(self) -> None:
        """The server is about to stop: from now on every call has a deadline."""
        self._ending = True
        latest = time.perf_counter() + CALL_SECONDS
        for task, deadline in self._deadlines.items():
            self._deadlines[task] = min(deadline, latest)

    def cancel_overdue(self) -> None:
        """Cancel each call that is over its deadline; it is told once."""
        now = time.perf_counter()
        for task, deadline in list(self._deadlines.items()):
            if deadline < now and task not in self._overdue:
                self._overdue.add(task)
                task.cancel()
