"""Rate limits as the service uses them: off, in memory, in a real Redis, and without it for a while."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from installation import ROOT, environment, free_port
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from redis_engine import RedisServer, redis_server

from loan_default.errors import RateLimited
from loan_default.rate_limit import Allowance, RateLimits, headers, shared
from loan_default.rate_limit import limits as limits_module
from loan_default.settings import Settings

Story = Callable[[RateLimits], Awaitable[None]]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not look like a Redis that is down."""
    monkeypatch.setattr(shared, "_TIMEOUT_S", 10)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


def tell(story: Story, per_minute: int, redis_url: str | None = None) -> None:
    async def run() -> None:
        limits = RateLimits(per_minute, redis_url)
        try:
            await story(limits)
        finally:
            await limits.close()

    asyncio.run(run())


async def granted(limits: RateLimits, times: int, cost: int = 1) -> int:
    """How many of `times` calls at once pass."""
    answers = await asyncio.gather(*[limits.take("key", cost) for _ in range(times)], return_exceptions=True)
    for answer in answers:
        assert isinstance(answer, (Allowance, RateLimited)), repr(answer)
    return sum(isinstance(answer, Allowance) for answer in answers)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_limit_of_0_is_off_and_sends_no_headers() -> None:
    async def story(limits: RateLimits) -> None:
        assert await granted(limits, 500, cost=10**9) == 500
        assert headers(await limits.take("key", 1)) == []

    tell(story, 0)


def test_in_memory_the_limit_is_exact_and_refusals_are_counted_by_reason() -> None:
    async def story(limits: RateLimits) -> None:
        used_up = counted("loan_rate_limited_total", reason="used_up")
        too_many = counted("loan_rate_limited_total", reason="too_many_at_once")
        assert await granted(limits, 150) == 100
        with pytest.raises(RateLimited):
            await limits.take("key", 101)
        assert counted("loan_rate_limited_total", reason="used_up") == used_up + 50
        assert counted("loan_rate_limited_total", reason="too_many_at_once") == too_many + 1

    tell(story, 100)


def test_an_answer_carries_the_standard_headers() -> None:
    async def story(limits: RateLimits) -> None:
        assert headers(await limits.take("key", 30)) == [
            (b"ratelimit-limit", b"100"),
            (b"ratelimit-remaining", b"70"),
            (b"ratelimit-reset", b"60"),
        ]

    tell(story, 100)


def test_several_workers_without_redis_are_warned_of(settings: Settings, logged: list[str]) -> None:
    RateLimits.from_settings(settings)
    RateLimits.from_settings(settings.model_copy(update={"workers": 2, "rate_limit_per_minute": 0}))
    RateLimits.from_settings(settings.model_copy(update={"workers": 2, "redis_host": "redis"}))
    assert logged == []
    RateLimits.from_settings(settings.model_copy(update={"workers": 2}))
    assert logged[0].startswith("WARNING 2 workers count their rate limits alone")


def test_serving_without_redis_imports_no_client() -> None:
    code = "import sys, loan_default.rate_limit; print({'limits', 'redis'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_redis_counts_as_memory_does(redis: RedisServer) -> None:
    async def story(limits: RateLimits) -> None:
        assert await limits.take("key", 40) == Allowance(100, 60, 60)
        for _ in range(5):
            with pytest.raises(RateLimited, match="more than the 60 left"):
                await limits.take("key", 61)  # uses nothing
        assert await granted(limits, 100) == 60
        with pytest.raises(RateLimited) as caught:
            await limits.take("key", 10)
        # The rest of this minute, and until a tenth of it has slid out.
        assert caught.value.retry_after_s is not None
        assert 60 <= caught.value.retry_after_s <= 66
        assert caught.value.headers["RateLimit-Remaining"] == "0"
        with pytest.raises(RateLimited, match="send at most 100"):
            await limits.take("key", 101)
        assert (await limits.take("another key", 100)).remaining == 0

    tell(story, 100, redis.url)


def test_in_redis_the_minute_before_counts_for_the_part_that_is_still_covered(redis: RedisServer) -> None:
    async def story(limits: RateLimits) -> None:
        await limits.take("key", 100)
        # The count lives for two minutes: with 44.7 s to live it is as if 75.3 s had gone by.
        async with Redis.from_url(redis.url, protocol=2) as client:
            assert await client.pexpire("loan_default:rate:key:now", 44_700)
        assert 26 <= await granted(limits, 100) <= 30  # 26 at that very moment; a little time passes
        with pytest.raises(RateLimited) as caught:
            await limits.take("key", 20)
        assert 40 <= int(caught.value.headers["RateLimit-Reset"]) <= 45

    tell(story, 100, redis.url)


def test_calls_of_several_keys_that_travel_together_get_their_own_answers(redis: RedisServer) -> None:
    async def story(limits: RateLimits) -> None:
        await limits.take("full", 50)
        calls = [limits.take(f"key-{number % 7}" if number % 8 else "full", number % 5 + 1) for number in range(200)]
        used: dict[str, int] = {}
        for number, answer in enumerate(await asyncio.gather(*calls, return_exceptions=True)):
            key, cost = f"key-{number % 7}" if number % 8 else "full", number % 5 + 1
            fits = used.get(key, 50 if key == "full" else 0) + cost <= 50
            assert isinstance(answer, Allowance if fits else RateLimited)
            used[key] = used.get(key, 50 if key == "full" else 0) + (cost if fits else 0)

    tell(story, 50, redis.url)


@pytest.mark.slow
def test_two_processes_hammering_at_once_get_the_limit_together(redis: RedisServer) -> None:
    code = """
import asyncio, sys
from loan_default.errors import RateLimited
from loan_default.rate_limit import RateLimits, shared
from loan_default.metrics import RATE_LIMIT_FALLBACKS

shared._TIMEOUT_S = 10

async def hammer():
    limits = RateLimits(700, sys.argv[1])
    passed = 0
    async def caller():
        nonlocal passed
        for _ in range(25):
            try:
                await limits.take("key", 1)
                passed += 1
            except RateLimited:
                pass
    await asyncio.gather(*[caller() for _ in range(32)])
    await limits.close()
    print(passed, int(RATE_LIMIT_FALLBACKS._value.get()))

asyncio.run(hammer())
"""
    command = [sys.executable, "-c", code, redis.url]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    passed, fallbacks = zip(*[map(int, process.communicate(timeout=60)[0].split()) for process in both], strict=True)
    assert fallbacks == (0, 0)
    assert sum(passed) == 700


def test_without_redis_each_process_counts_alone_until_it_is_back(
    redis: RedisServer, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_module, "_RETRY_AFTER_S", 0.2)

    async def story(limits: RateLimits) -> None:
        assert await granted(limits, 60) == 60
        redis.kill()
        fallbacks = counted("loan_rate_limit_fallbacks_total")
        assert await granted(limits, 150) == 100  # from nothing, but no more than the limit
        assert counted("loan_rate_limit_fallbacks_total") == fallbacks + 150
        await asyncio.sleep(0.25)
        assert await granted(limits, 10) == 0
        assert [line.split(" (")[0] for line in logged] == ["ERROR Redis does not answer"]
        redis.start()
        await asyncio.sleep(0.25)
        assert (await limits.take("key", 1)).remaining == 99  # a Redis that keeps nothing begins anew
        assert await granted(limits, 150) == 99
        assert [line.split()[0] for line in logged] == ["ERROR", "INFO"]

    tell(story, 100, redis.url)


def test_a_redis_that_was_restarted_between_two_calls_is_not_noticed(redis: RedisServer, logged: list[str]) -> None:
    async def story(limits: RateLimits) -> None:
        await limits.take("key", 1)
        redis.kill()
        redis.start()
        await asyncio.sleep(0.1)  # for the word that the connection has ended
        assert (await limits.take("key", 1)).remaining == 99
        assert logged == []

    tell(story, 100, redis.url)


def test_a_redis_that_stands_still_is_not_waited_for(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_TIMEOUT_S", 0.1)

    async def story(limits: RateLimits) -> None:
        await limits.take("key", 1)
        redis.stop()
        started, fallbacks = time.monotonic(), counted("loan_rate_limit_fallbacks_total")
        for _ in range(100):  # the first waits for Redis, the others do not
            await limits.take("key", 1)
        assert time.monotonic() - started < 5
        assert counted("loan_rate_limit_fallbacks_total") == fallbacks + 100
        redis.go_on()

    tell(story, 100, redis.url)


def test_a_redis_that_was_never_there_lets_callers_be_served() -> None:
    async def story(limits: RateLimits) -> None:
        assert await granted(limits, 150) == 100

    tell(story, 100, f"redis://127.0.0.1:{free_port()}/0")


def test_a_password_is_used_and_never_shown(tmp_path: Path, logged: list[str]) -> None:
    with redis_server(tmp_path, password="open-sesame") as server:

        async def story(limits: RateLimits) -> None:
            fallbacks = counted("loan_rate_limit_fallbacks_total")
            assert await granted(limits, 5) == 5
            assert counted("loan_rate_limit_fallbacks_total") == fallbacks
            server.kill()
            assert await granted(limits, 5) == 5

        tell(story, 100, server.url)
        server.start()

        async def stranger(limits: RateLimits) -> None:
            assert await granted(limits, 5) == 5

        tell(stranger, 100, server.url.replace("open-sesame", "open-barley"))
    text = "".join(logged)
    assert text.count("Redis does not answer") == 2
    assert "AuthenticationError" in text
    assert "open-" not in text


def test_a_caller_that_goes_away_disturbs_no_other(redis: RedisServer) -> None:
    async def story(limits: RateLimits) -> None:
        gone = [asyncio.ensure_future(limits.take("key", 1)) for _ in range(10)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        assert await granted(limits, 50) == 50

    tell(story, 100, redis.url)


def test_the_environment_of_tests_reaches_no_redis_of_this_machine(tmp_path: Path) -> None:
    assert "REDIS_URL" not in environment(tmp_path)
