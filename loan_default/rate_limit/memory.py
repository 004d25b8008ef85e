"""Counting in this process alone: a look-up and some arithmetic for each call, whatever the limit."""

import time
from collections.abc import Callable
from math import ceil

from loan_default.rate_limit.window import WINDOW_S, Allowance, Window, refusal


class MemoryWindows:
    """A window for each key; the keys are ours, so that nobody can make it grow.

    Args:
        limit: applicants a minute.
        clock: seconds that never jump.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._windows: dict[str, list[float]] = {}  # key id: start of its minute, used before it, used in it

    def take(self, key_id: str, cost: int) -> Allowance:
        """Use `cost` applicants of the key's limit.

        Raises:
            RateLimited: it does not fit; then nothing is used.
        """
        now = self._clock()
        window = self._windows.get(key_id)
        if window is None:
            window = self._windows[key_id] = [now, 0, 0]
        age = now - window[0]
        if age >= WINDOW_S:
            if age >= 2 * WINDOW_S:
                window[:] = now, 0, 0
                age = 0.0
            else:
                window[:] = window[0] + WINDOW_S, window[2], 0
                age -= WINDOW_S
        left_s = WINDOW_S - age
        remaining = self._limit - int(window[1] * left_s / WINDOW_S) - int(window[2]) - cost
        if remaining < 0:
            raise refusal(Window(int(window[1]), int(window[2]), left_s), self._limit, cost)
        window[2] += cost
        return Allowance(self._limit, remaining, ceil(left_s))
