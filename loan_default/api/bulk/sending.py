"""An answer that is read from a disk while it is sent: in blocks, by threads, for as long as the caller takes them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager

from loguru import logger
from starlette.types import Receive, Scope, Send

from loan_default.api.bulk.access import reading
from loan_default.api.bulk.arriving import STALL_S
from loan_default.api.bulk.threads import Threads
from loan_default.api.envelope import Header


class Download:
    """A file as an answer. `open` it first: what is wrong then can still be refused. Then it must be sent.

    Args:
        blocks: gives the blocks, in order; called, and asked for each, in a thread.
        headers: of the answer.
        taken: held from `open` until it is sent.
    """

    def __init__(
        self,
        threads: Threads,
        blocks: Callable[[], Iterator[bytes]],
        headers: Sequence[Header],
        taken: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._threads = threads
        self._make_blocks = blocks
        self._headers = list(headers)
        self._taken = taken
        self._held = ExitStack()
        self._blocks: Iterator[bytes] = iter(())
        self._first = b""

    async def open(self) -> None:
        """Read the first block.

        Raises:
            NoSuchJob: there is no such file, any more or at all.
            JobsUnavailable: the disk fails.
        """
        with ExitStack() as held, reading():
            held.enter_context(self._taken())
            self._blocks = await self._threads.run(self._make_blocks)
            self._first = await self._next()
            self._held = held.pop_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        with self._held:
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            block = b"" if scope["method"] == "HEAD" else self._first
            async with _listening(receive) as gone:
                while block and not gone.done():
                    try:
                        async with asyncio.timeout(STALL_S):
                            await send({"type": "http.response.body", "body": block, "more_body": True})
                    except TimeoutError:
                        logger.info("A caller took nothing of a download for {:g} seconds", STALL_S)
                        return  # the server closes what is not complete
                    block = await self._next()
            await send({"type": "http.response.body", "body": b""})

    async def _next(self) -> bytes:
        """The next block; empty at the end."""
        return await self._threads.run(next, self._blocks, b"")


@asynccontextmanager
async def _listening(receive: Receive) -> AsyncIterator["asyncio.Task[None]"]:
    """A task that is done when the caller has gone away."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(gone())
    try:
        yield task
    finally:
        task.cancel()
