"""Threads for what blocks: disks, databases, reading a whole portfolio. Never the event loop, nor its own threads.

They have the priority of the event loop: one that gave way to other processes while it holds Python's lock would keep
the loop waiting with it.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A few threads, started when they are needed.

    Args:
        most: how many at once.
        name: what they are called.
    """

    def __init__(self, most: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a thread; a call that is cancelled meanwhile waits for it all the same.

        What follows can rely on that nothing goes on behind its back.
        """
        context = contextvars.copy_context()
        future = asyncio.get_running_loop().run_in_executor(self._pool, lambda: context.run(work, *args, **kwargs))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def close(self) -> None:
        """Let the threads end once they have nothing to do."""
        self._pool.shutdown(wait=False, cancel_futures=True)
