"""Counting in Redis, exact across processes and machines, by the sliding-window scripts of the `limits` library.

Taking and looking go to Redis together in one transaction: one round trip a call. The clock is that of Redis.
"""

from math import ceil
from typing import Any

from loan_default.rate_limit.window import WINDOW_S, Allowance, Window, refusal

_PREFIX = "loan_default:rate"
# Of connecting and of each answer. An online call must not wait longer for a count.
_TIMEOUT_S = 0.1
_MOST_CONNECTIONS = 16


class Unreachable(Exception):
    """Redis did not take the call; the text names the kind of error and never an address or password."""


class SharedWindows:
    """A window for each key, in Redis.

    Args:
        limit: applicants a minute.
        url: `redis://`, `rediss://` or `unix://`.
    """

    def __init__(self, limit: int, url: str) -> None:
        self._limit = limit
        self._url = url
        # The part of `limits` that holds the client and its scripts; made at the first call.
        self._bridge: Any = None

    async def take(self, key_id: str, cost: int) -> Allowance:
        """Use `cost` applicants of the key's limit.

        Raises:
            RateLimited: it does not fit; then nothing is used.
            Unreachable: Redis did not answer, or not as it should.
        """
        from redis.exceptions import RedisError

        try:
            taken, state = await self._ask(key_id, cost)
        except (TimeoutError, RedisError, OSError) as error:
            raise Unreachable(type(error).__name__) from None
        before, _, now, left_ms = (int(value or 0) for value in state)
        # The present minute's count outlives it by another minute, for which it is the one before.
        window = Window(before, now, max(0.0, left_ms / 1000 - WINDOW_S) if now or before else WINDOW_S)
        if not taken:
            raise refusal(window, self._limit, cost)
        return Allowance(self._limit, max(0, self._limit - window.used), ceil(window.left_s))

    async def close(self) -> None:
        """Close the connections."""
        if self._bridge is not None:
            await self._bridge.get_connection().aclose()

    async def _ask(self, key_id: str, cost: int) -> tuple[Any, list[Any]]:
        from redis.exceptions import NoScriptError

        if self._bridge is None:
            self._bridge = _connect(self._url)
        try:
            return await self._transaction(key_id, cost)
        except NoScriptError:  # a Redis that has just started knows none
            client = self._bridge.get_connection()
            await client.script_load(self._bridge.SCRIPT_ACQUIRE_SLIDING_WINDOW)
            await client.script_load(self._bridge.SCRIPT_SLIDING_WINDOW)
            return await self._transaction(key_id, cost)

    async def _transaction(self, key_id: str, cost: int) -> tuple[Any, list[Any]]:
        bridge = self._bridge
        # In a cluster, what stands in braces decides where both keys are.
        keys = (f"{_PREFIX}:{{{key_id}}}:before", f"{_PREFIX}:{{{key_id}}}:now")
        async with bridge.get_connection().pipeline(transaction=True) as pipeline:
            pipeline.evalsha(bridge.lua_acquire_sliding_window.sha, 2, *keys, self._limit, WINDOW_S, cost)
            pipeline.evalsha(bridge.lua_sliding_window.sha, 2, *keys, WINDOW_S)
            taken, state = await pipeline.execute()
        return taken, state


def _connect(url: str) -> Any:
    from limits.aio.storage import RedisStorage
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    pool: Any = BlockingConnectionPool.from_url(
        url,
        max_connections=_MOST_CONNECTIONS,
        timeout=_TIMEOUT_S,  # of waiting for a free connection
        socket_connect_timeout=_TIMEOUT_S,
        socket_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),  # a repeated take could count twice
    )
    # `limits` reads the address for its other clients; ours has it in the pool.
    return RedisStorage("async+redis://", implementation="redispy", connection_pool=pool).bridge
