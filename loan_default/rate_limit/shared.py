"""Counting in Redis, exact across processes and machines, by the sliding-window scripts of the `limits` library.

All calls that wait go to Redis together, in one transaction over one connection: a call costs one round trip, and many
at once hardly more than one. The clock is that of Redis.
"""

import asyncio
from math import ceil
from typing import Any, NamedTuple

from loan_default.rate_limit.window import WINDOW_S, Allowance, Window, refusal

_PREFIX = "loan_default:rate"
# Of connecting, and of each answer. An online call must not wait longer for a count.
_TIMEOUT_S = 0.1
_MOST_TOGETHER = 500


class Unreachable(Exception):
    """Redis did not take the call; the text names the kind of error, never an address or a password."""


class _Call(NamedTuple):
    key_id: str
    cost: int
    answer: asyncio.Future[tuple[bool, Window]]


class SharedWindows:
    """A window for each key, in Redis. Belongs to one event loop.

    Args:
        limit: applicants a minute.
        url: `redis://`, `rediss://` or `unix://`.
    """

    def __init__(self, limit: int, url: str) -> None:
        self._limit = limit
        self._bridge = _connect(url)
        self._waiting: list[_Call] = []
        self._sender: asyncio.Task[None] | None = None

    async def take(self, key_id: str, cost: int) -> Allowance:
        """Use `cost` applicants of the key's limit.

        Raises:
            RateLimited: it does not fit; then nothing is used.
            Unreachable: Redis did not answer, or not as it should.
        """
        loop = asyncio.get_running_loop()
        call = _Call(key_id, cost, loop.create_future())
        self._waiting.append(call)
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send())
        taken, window = await call.answer
        if not taken:
            raise refusal(window, self._limit, cost)
        return Allowance(self._limit, max(0, self._limit - window.used), ceil(window.left_s))

    async def close(self) -> None:
        """Close the connection."""
        await self._bridge.get_connection().aclose(close_connection_pool=True)

    async def _send(self) -> None:
        """Send what waits, and what comes meanwhile, one transaction after the other."""
        while self._waiting:
            calls, self._waiting = self._waiting[:_MOST_TOGETHER], self._waiting[_MOST_TOGETHER:]
            try:
                answers = await self._ask(calls)
            except Exception as error:  # noqa: BLE001  # whatever it is, each caller would wait for ever
                calls, self._waiting = calls + self._waiting, []  # no other would fare better now
                for call in calls:
                    if not call.answer.done():
                        call.answer.set_exception(Unreachable(type(error).__name__))
                return
            for call, answer in zip(calls, answers, strict=True):
                if not call.answer.done():  # the caller may have gone away
                    call.answer.set_result(answer)

    async def _ask(self, calls: list[_Call]) -> list[tuple[bool, Window]]:
        from redis.exceptions import NoScriptError

        try:
            return await self._transaction(calls)
        except NoScriptError:  # a Redis that has just started knows none
            client = self._bridge.get_connection()
            # In this order: where another process can take, it can look, too, or would fail and take twice.
            await client.script_load(self._bridge.SCRIPT_SLIDING_WINDOW)
            await client.script_load(self._bridge.SCRIPT_ACQUIRE_SLIDING_WINDOW)
            return await self._transaction(calls)

    async def _transaction(self, calls: list[_Call]) -> list[tuple[bool, Window]]:
        """Whether each call was taken, and the state of its key after all of them."""
        take, look = self._bridge.lua_acquire_sliding_window.sha, self._bridge.lua_sliding_window.sha
        key_ids = list({call.key_id: None for call in calls})
        async with self._bridge.get_connection().pipeline(transaction=True) as pipeline:
            for call in calls:
                pipeline.evalsha(take, 2, *_names(call.key_id), self._limit, WINDOW_S, call.cost)
            for key_id in key_ids:
                pipeline.evalsha(look, 2, *_names(key_id), WINDOW_S)
            answers = await pipeline.execute()
        windows = dict(zip(key_ids, map(_window, answers[len(calls) :]), strict=True))
        return [(bool(taken), windows[call.key_id]) for call, taken in zip(calls, answers, strict=False)]


def _names(key_id: str) -> tuple[str, str]:
    """The names in Redis of the count before and of the present one."""
    return f"{_PREFIX}:{key_id}:before", f"{_PREFIX}:{key_id}:now"


def _window(state: list[bytes | int | None]) -> Window:
    before, _, now, left_ms = (int(value or 0) for value in state)
    # A present count outlives its minute by another one, for which it is the count before.
    return Window(before, now, min(max(0.0, left_ms / 1000 - WINDOW_S), WINDOW_S))


def _connect(url: str) -> Any:
    """The part of `limits` that holds a client and its scripts; it connects when it is first asked.

    The imports take a moment, and are needed with Redis alone.
    """
    from limits.aio.storage import RedisStorage
    from redis.asyncio import ConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    pool: Any = ConnectionPool.from_url(
        url,
        socket_connect_timeout=_TIMEOUT_S,
        socket_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),  # a repeated take could count twice
        protocol=2,  # with 3, redis-py does not look whether an idle connection has ended before it uses it
    )
    # `limits` reads the address for its other clients; ours has it in the pool.
    return RedisStorage("async+redis://", implementation="redispy", connection_pool=pool).bridge
