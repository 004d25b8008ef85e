"""Wrong keys are limited per address, in bounded memory, without locking out who was let in before."""

import pytest
from clock import Clock
from loguru import logger

from loan_default.security import attempts
from loan_default.security.attempts import FailedAttempts


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fail(limiter: FailedAttempts, address: str, times: int) -> None:
    for _ in range(times):
        limiter.failed(address)


def test_the_last_allowed_failure_blocks_for_the_rest_of_its_minute(clock: Clock) -> None:
    limiter = FailedAttempts(3, clock)
    fail(limiter, "192.0.2.1", 2)
    assert limiter.blocked_s("192.0.2.1") == 0
    clock.now += 20.5
    limiter.failed("192.0.2.1")
    assert limiter.blocked_s("192.0.2.1") == 40
    clock.now += 39.4
    assert limiter.blocked_s("192.0.2.1") == 1
    clock.now += 0.2
    assert limiter.blocked_s("192.0.2.1") == 0


def test_failures_of_an_earlier_minute_are_forgotten(clock: Clock) -> None:
    limiter = FailedAttempts(3, clock)
    for _ in range(10):
        fail(limiter, "192.0.2.1", 2)
        clock.now += 61
        assert limiter.blocked_s("192.0.2.1") == 0


def test_another_address_is_not_blocked(clock: Clock) -> None:
    limiter = FailedAttempts(3, clock)
    fail(limiter, "192.0.2.1", 3)
    assert limiter.blocked_s("192.0.2.2") == 0


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
        ("fe80::1%eth0", "fe80::2%eth0", "fe81::1"),
        ("no address", "x" * 100_000, "192.0.2.1"),
        ("", "", "192.0.2.1"),
    ],
)
def test_an_ipv6_stranger_is_a_network_of_64_bits(clock: Clock, address: str, same: str, other: str) -> None:
    limiter = FailedAttempts(3, clock)
    fail(limiter, address, 3)
    assert limiter.blocked_s(same)
    assert not limiter.blocked_s(other)


def test_a_key_that_was_accepted_before_still_passes_and_others_do_not(clock: Clock) -> None:
    limiter = FailedAttempts(3, clock)
    assert limiter.admits("192.0.2.1", "known")
    fail(limiter, "192.0.2.1", 3)
    assert limiter.admits("192.0.2.1", "known")
    assert not limiter.admits("192.0.2.1", "new")
    assert limiter.admits("192.0.2.2", "new")
    clock.now += 61
    assert limiter.admits("192.0.2.1", "new")


def test_a_limit_of_0_is_off(clock: Clock) -> None:
    limiter = FailedAttempts(0, clock)
    fail(limiter, "192.0.2.1", 1000)
    assert limiter.admits("192.0.2.1", "key")


def test_strangers_cannot_use_up_memory(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_MOST_ADDRESSES", 10)
    monkeypatch.setattr(attempts, "_MOST_PAIRS", 10)
    limiter = FailedAttempts(1, clock)
    for number in range(50):
        assert limiter.admits(f"192.0.2.{number}", "key")
        limiter.failed(f"192.0.2.{number}")
    assert limiter.blocked_s("192.0.2.49")
    assert not limiter.blocked_s("192.0.2.0")  # the oldest is forgotten first
    assert len(vars(limiter)["_failed"]) == len(vars(limiter)["_accepted"]) == 10


def test_an_address_that_a_caller_made_up_is_not_remembered_at_length(clock: Clock) -> None:
    limiter = FailedAttempts(1, clock)
    assert limiter.admits("x" * 10_000, "key")
    assert all(len(address) < 100 for address, _ in vars(limiter)["_accepted"])


def test_an_episode_is_logged_once_with_the_address(clock: Clock) -> None:
    lines: list[str] = []
    handler = logger.add(lines.append, format="{message}")
    limiter = FailedAttempts(3, clock)
    for _ in range(2):
        for _ in range(9):
            if not limiter.blocked_s("192.0.2.1"):
                limiter.failed("192.0.2.1")
        clock.now += 61
    logger.remove(handler)
    assert [line.split(" within")[0] for line in lines] == ["3 wrong keys from 192.0.2.1"] * 2
