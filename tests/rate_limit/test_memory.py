"""The law of the limit, counted in memory: what fits, when the rest would, and that a refusal uses nothing."""

import pytest
from clock import Clock
from hypothesis import given
from hypothesis import strategies as st

from loan_default.errors import RateLimited
from loan_default.rate_limit.memory import MemoryWindows
from loan_default.rate_limit.window import Allowance


@pytest.fixture
def clock() -> Clock:
    return Clock()


def granted(windows: MemoryWindows, cost: int = 1, most: int = 10_000) -> int:
    """How many takes pass until one is refused."""
    for number in range(most):
        try:
            windows.take("key", cost)
        except RateLimited:
            return number
    return most


def refused(windows: MemoryWindows, cost: int) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        windows.take("key", cost)
    return caught.value


def wait(windows: MemoryWindows, cost: int) -> int:
    """The seconds that a take is told to wait; 0 when it passes."""
    try:
        windows.take("key", cost)
    except RateLimited as error:
        return error.retry_after_s or 0
    return 0


def test_the_limit_is_exact_and_counts_applicants(clock: Clock) -> None:
    windows = MemoryWindows(100, clock)
    assert windows.take("key", 40) == Allowance(100, 60, 60)
    assert granted(windows) == 60
    assert windows.take("another key", 100).remaining == 0


def test_a_refused_take_uses_nothing(clock: Clock) -> None:
    windows = MemoryWindows(100, clock)
    windows.take("key", 95)
    for _ in range(20):
        refused(windows, 6)
    assert windows.take("key", 5).remaining == 0


def test_the_minute_before_counts_for_the_part_that_is_still_covered(clock: Clock) -> None:
    windows = MemoryWindows(100, clock)
    windows.take("key", 100)
    clock.now += 60
    assert granted(windows) == 0
    clock.now += 15
    assert granted(windows) == 25
    clock.now += 44.999
    assert granted(windows) == 75


def test_after_two_quiet_minutes_a_new_one_begins_with_the_next_call(clock: Clock) -> None:
    windows = MemoryWindows(100, clock)
    windows.take("key", 100)
    clock.now += 500
    assert windows.take("key", 1) == Allowance(100, 99, 60)


def test_a_refusal_says_how_long_to_wait(clock: Clock) -> None:
    windows = MemoryWindows(100, clock)
    windows.take("key", 100)
    clock.now += 20
    error = refused(windows, 10)
    assert error.retry_after_s == 40 + 6  # the rest of this minute, and until a tenth of it has slid out
    assert error.headers == {
        "RateLimit-Limit": "100",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "40",
        "Retry-After": "46",
    }
    assert error.message == "The key's limit of 100 applicants a minute is used up: try again in 46 s."


def test_a_list_over_what_is_left_is_told_so(clock: Clock) -> None:
    windows = MemoryWindows(100, clock)
    windows.take("key", 97)
    message = refused(windows, 10).message
    assert message.startswith("10 applicants are more than the 3 left of the key's limit of 100 a minute: try again in")


def test_a_list_over_the_whole_limit_is_not_told_to_wait(clock: Clock) -> None:
    error = refused(MemoryWindows(100, clock), 1000)
    assert error.retry_after_s is None
    assert "Retry-After" not in error.headers
    assert error.message == ("These are 1,000 applicants, and the key's limit is 100 a minute: send at most 100.")


@given(
    limit=st.integers(1, 500),
    steps=st.lists(st.tuples(st.floats(0, 70), st.integers(1, 60)), max_size=60),
    cost=st.integers(1, 500),
)
def test_who_waits_as_told_is_served_and_who_waits_less_is_not(
    limit: int, steps: list[tuple[float, int]], cost: int
) -> None:
    clock, cost = Clock(), min(cost, limit)
    windows = MemoryWindows(limit, clock)
    for pause, each in steps:
        clock.now += pause
        try:
            windows.take("key", min(each, limit))
        except RateLimited:
            continue
    wait_s = wait(windows, cost)
    if wait_s:
        clock.now += wait_s - 1.01
        assert wait_s == 1 or wait(windows, cost)
        clock.now += 1.01
        assert not wait(windows, cost)


@given(steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), max_size=100))
def test_no_minute_of_the_windows_own_holds_more_than_the_limit(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    windows = MemoryWindows(50, clock)
    taken: list[tuple[float, int]] = []
    for pause, cost in steps:
        clock.now += pause
        try:
            allowance = windows.take("key", cost)
        except RateLimited:
            continue
        taken.append((clock.now, cost))
        assert 0 <= allowance.remaining < 50
        assert 1 <= allowance.reset_s <= 60
    # Between two neighbouring windows a minute can hold up to both, but never more.
    for start, _ in taken:
        assert sum(cost for at, cost in taken if start <= at < start + 60) <= 100


def test_a_huge_limit_costs_no_more_memory_than_a_small_one(clock: Clock) -> None:
    windows = MemoryWindows(10**9, clock)
    for _ in range(5000):
        windows.take("key", 1)
    assert len(vars(windows)["_windows"]["key"]) == 3
    assert windows.take("key", 1).remaining == 10**9 - 5001
