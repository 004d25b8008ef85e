"""The limit of every key: counted in memory, or in Redis where processes and machines share the count."""

import time
from collections.abc import Callable

from loguru import logger

from loan_default.errors import RateLimited
from loan_default.metrics import RATE_LIMIT_FALLBACKS, RATE_LIMITED
from loan_default.rate_limit.memory import MemoryWindows
from loan_default.rate_limit.shared import SharedWindows, Unreachable
from loan_default.rate_limit.window import UNLIMITED, Allowance
from loan_default.settings import Settings

# How long Redis is left alone after it did not answer; one call then asks it again.
_RETRY_AFTER_S = 3.0


class RateLimits:
    """How many applicants each key may have scored in a minute.

    While Redis does not answer, each process counts alone in memory, from nothing: the limit holds in each of them.

    Args:
        per_minute: the limit; 0 switches it off.
        redis_url: where to count together; None counts in this process alone.
        clock: seconds that never jump.
    """

    def __init__(
        self, per_minute: int, redis_url: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = per_minute
        self._clock = clock
        self._memory = MemoryWindows(per_minute, clock)
        self._shared = SharedWindows(per_minute, redis_url) if per_minute and redis_url else None
        self._down = False
        self._ask_again_at = 0.0

    @classmethod
    def from_settings(cls, settings: Settings) -> "RateLimits":
        """The limits that these settings ask for; warns when several processes will not count together."""
        redis = settings.redis
        if redis is None and settings.rate_limit_per_minute and settings.workers > 1:
            logger.warning(
                "{} workers count their rate limits alone, so that a key gets up to {} times its limit; set REDIS_URL",
                settings.workers,
                settings.workers,
            )
        return cls(settings.rate_limit_per_minute, None if redis is None else redis.get_secret_value())

    async def take(self, key_id: str, cost: int) -> Allowance:
        """Use `cost` applicants (one for a single prediction, n for a list of n) of the key's limit.

        Raises:
            RateLimited: it does not fit; then nothing is used. Its headers say when it would.
        """
        if not self._limit:
            return UNLIMITED
        try:
            if self._shared is None:
                return self._memory.take(key_id, cost)
            return await self._take_shared(self._shared, key_id, cost)
        except RateLimited as error:
            RATE_LIMITED.labels("too_many_at_once" if error.retry_after_s is None else "used_up").inc()
            raise

    async def close(self) -> None:
        """Let go of Redis."""
        if self._shared is not None:
            await self._shared.close()

    async def _take_shared(self, shared: SharedWindows, key_id: str, cost: int) -> Allowance:
        if not self._down or self._clock() >= self._ask_again_at:
            self._ask_again_at = self._clock() + _RETRY_AFTER_S  # while down, for this call alone
            try:
                allowance = await shared.take(key_id, cost)
            except Unreachable as problem:
                self._went_down(problem)
            except RateLimited:
                self._came_back()
                raise
            else:
                self._came_back()
                return allowance
        RATE_LIMIT_FALLBACKS.inc()
        return self._memory.take(key_id, cost)

    def _went_down(self, problem: Unreachable) -> None:
        self._ask_again_at = self._clock() + _RETRY_AFTER_S
        if not self._down:
            self._down = True
            logger.error("Redis does not answer ({}): each process counts its rate limits alone until it does", problem)

    def _came_back(self) -> None:
        if self._down:
            self._down = False
            logger.info("Redis answers again: rate limits are shared")
