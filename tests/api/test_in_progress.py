"""A call that carries a portfolio has no deadline, until the server is about to stop."""

import asyncio
import math
import time

import pytest

from loan_default.api.in_progress import CALL_SECONDS, InProgress


async def overdue(calls: InProgress, deadline: float, *, ends: bool = False) -> bool:
    """Whether the present call, which carries a portfolio, is cancelled once its deadline is over."""
    task = asyncio.current_task()
    assert task is not None
    calls.enter(task, deadline)
    try:
        with calls.without_deadline():
            if ends:
                calls.end()
                calls._deadlines[task] -= CALL_SECONDS + 1  # noqa: SLF001  # so much later
            calls.cancel_overdue()
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        task.uncancel()
        return True
    finally:
        calls.leave(task)
    return False


@pytest.mark.parametrize("ends", [False, True])
def test_a_portfolio_has_a_deadline_only_when_the_server_stops(ends: bool) -> None:
    assert asyncio.run(overdue(InProgress(), time.perf_counter() - 1, ends=ends)) is ends


def test_one_that_begins_while_the_server_stops_has_one_too() -> None:
    async def deadlines() -> tuple[float, float, float]:
        calls = InProgress()
        task = asyncio.current_task()
        assert task is not None
        calls.enter(task, 0.0)
        with calls.without_deadline():
            free = calls._deadlines[task]  # noqa: SLF001
        after = calls._deadlines[task]  # noqa: SLF001
        calls.end()
        with calls.without_deadline():
            return free, after, calls._deadlines[task]  # noqa: SLF001

    free, after, stopping = asyncio.run(deadlines())
    assert free == math.inf
    assert 0 < after < math.inf
    assert 0 < stopping < math.inf


def test_a_call_that_nobody_observes_is_left_alone() -> None:
    async def alone() -> int:
        calls = InProgress()
        with calls.without_deadline():
            return len(calls)

    assert asyncio.run(alone()) == 0
