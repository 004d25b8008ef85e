"""What a key and a rate limit cost each request; the figures of docs/decisions/0011 and 0012.

    python benchmarks/keys_and_limits.py

Best of five runs, in microseconds. With redis-server installed it starts a private one for the shared count.
"""
# ruff: noqa: INP001, T201  # a script that prints what it measured

import asyncio
import hashlib
import hmac
import shutil
import subprocess
import tempfile
import time
import timeit
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import STRATEGIES
from starlette.types import Receive, Scope, Send

from loan_default.api.envelope import render_error
from loan_default.rate_limit import RateLimits
from loan_default.rate_limit.memory import MemoryWindows
from loan_default.security import Caller, KeyRequired, Keys

_TIMES = 100_000
_BLOCK = 1000
_LIMIT = 10**9
_SECRETS = [f"a-key-of-forty-three-characters-number-{number:04}" for number in range(10)]
_HEADERS = {
    "host": "127.0.0.1:3000",
    "accept": "*/*",
    "user-agent": "measure",
    "content-type": "application/json",
    "content-length": "78",
    "x-api-key": _SECRETS[-1],
}


def main() -> None:
    """Print each figure beside what it belongs to."""
    middleware()
    memory()
    for strategy in STRATEGIES:
        for calls in (5_000, 50_000):
            _show(f"limits, {strategy}, after {calls:,} calls", asyncio.run(_library(strategy, calls)))
    if shutil.which("redis-server"):
        shared()


def middleware() -> None:
    """The whole middleware, the look-up in it, and what comparing every key would cost."""
    digests = [hashlib.sha256(secret.encode()).digest() for secret in _SECRETS]
    keys = Keys((digest, Caller(digest.hex()[:8], frozenset({"score"}))) for digest in digests)
    sent = _SECRETS[-1].encode()
    headers = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
    scope = {"type": "http", "path": "/api/v1/predict", "client": ("192.0.2.1", 1), "headers": headers}

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        pass

    door: Any = KeyRequired(app, lambda: keys, render_error)
    bare = _best(lambda: _run(app(scope, None, None)))  # type: ignore[arg-type]
    _show("middleware, accepted call", _best(lambda: _run(door(scope, None, None))) - bare)
    _show("look-up of a digest", _best(lambda: keys.find(sent)))
    _show("comparing ten digests", _best(lambda: _compare(sent, digests)))


def memory() -> None:
    """Our own count."""
    windows, limits = MemoryWindows(_LIMIT), RateLimits(_LIMIT)
    _show("ours, in memory", _best(lambda: windows.take("key", 1)))
    _show("ours, awaited", _best(lambda: _run(limits.take("key", 1))))


def shared() -> None:
    """CPU time of this process for each call that is counted in Redis."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  # a fixed program
        try:
            while not socket.exists():
                time.sleep(0.01)
            for callers in (1, 32, 200):
                _show(f"Redis, {callers} callers", asyncio.run(_redis(f"unix://{socket}", callers)))
        finally:
            redis.terminate()
            redis.wait()


async def _redis(url: str, callers: int, calls: int = 6_000) -> float:
    limits = RateLimits(_LIMIT, url)
    await limits.take("key", 1)

    async def caller() -> None:
        for _ in range(calls // callers):
            await limits.take("key", 1)

    started = time.process_time()
    await asyncio.gather(*[caller() for _ in range(callers)])
    spent = time.process_time() - started
    await limits.close()
    return spent / calls * 1e6


async def _library(strategy: str, calls: int) -> float:
    limiter = STRATEGIES[strategy](MemoryStorage())  # type: ignore[abstract]  # all of them are whole
    item = RateLimitItemPerMinute(_LIMIT)
    for _ in range(calls - _BLOCK):
        await limiter.hit(item, "key")
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(_BLOCK):
            await limiter.hit(item, "key")
        best = min(best, time.perf_counter() - started)
    return best / _BLOCK * 1e6


def _compare(sent: bytes, digests: list[bytes]) -> bool:
    digest = hashlib.sha256(sent).digest()
    return sum([hmac.compare_digest(digest, ours) for ours in digests]) > 0


def _run(call: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine that never waits, without the cost of an event loop."""
    try:
        call.send(None)
    except StopIteration:
        return


def _best(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=_TIMES, repeat=5)) / _TIMES * 1e6


def _show(what: str, microseconds: float) -> None:
    print(f"{what:50}{microseconds:8.2f} µs")


if __name__ == "__main__":
    main()
