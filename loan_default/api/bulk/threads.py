"""Threads for what blocks: disks, databases, reading a whole portfolio. Never the event loop, nor its own threads."""

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_NICEST = 19


class Threads:
    """A few threads, started when they are needed.

    Args:
        most: how many at once.
        name: what they are called.
        nice: whether they give way to everything else, where the system can tell threads apart.
    """

    def __init__(self, most: int, name: str, *, nice: bool = False) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name, initializer=_give_way if nice else None)

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


def _give_way() -> None:
    # On Linux priorities belong to threads, whatever the call's name says.
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICEST)
