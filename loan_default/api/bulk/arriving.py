"""A body that is kept on a disk while it arrives: in blocks, by threads, with its SHA-256, under a limit of bytes.

How long it may take depends on its length, so a deadline for all of it would be wrong; it must not stand still.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from loan_default.api.bulk.options import HEAD_BYTES
from loan_default.api.bulk.threads import Threads
from loan_default.errors import BodyTooLarge, TooSlow

if TYPE_CHECKING:
    from loan_default.storage import Folder, Sink

# A body of which nothing arrives for so long is given up, and so is an answer of which nothing is taken.
STALL_S = 30.0
_BLOCK_BYTES = 1024 * 1024


async def pieces(receive: Receive) -> AsyncIterator[bytes]:
    """A body as it arrives.

    Raises:
        ClientDisconnect: the caller went away.
        TooSlow: nothing arrived for `STALL_S` seconds.
    """
    more = True
    while more:
        try:
            async with asyncio.timeout(STALL_S):
                message = await receive()
        except TimeoutError:
            raise TooSlow(f"Nothing of the body arrived for {STALL_S:g} seconds.") from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        yield message.get("body", b"")


class Arriving:
    """A file that grows as its bytes arrive, and is there, whole, once the block ended without an error.

    Args:
        folder: where it is kept; None when only its digest is asked for.
        name: its name there.
        most_bytes: beyond, it is refused.

    Attributes:
        head: its first bytes.
        size: how many bytes arrived.
    """

    def __init__(self, threads: Threads, folder: "Folder | None", name: str, most_bytes: int) -> None:
        self._threads = threads
        self._most_bytes = most_bytes
        self._writing: AbstractContextManager[Sink] | None = None if folder is None else folder.writing(name)
        self._file: Sink | None = None
        self._block = bytearray()
        self._sha256 = hashlib.sha256()
        self.head = b""
        self.size = 0

    async def __aenter__(self) -> Self:
        if self._writing is not None:
            self._file = await self._threads.run(self._writing.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._put()
        except BaseException as problem:
            await self._leave(type(problem), problem, problem.__traceback__)
            raise
        await self._leave(kind, error, trace)

    @property
    def digest(self) -> str:
        """SHA-256 of what has been put on the disk, in hex."""
        return self._sha256.hexdigest()

    async def add(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            BodyTooLarge: there are too many of them.
            OSError: the disk does not take them.
        """
        self.size += len(data)
        if self.size > self._most_bytes:
            raise BodyTooLarge(f"The portfolio is larger than {self._most_bytes:,} bytes.")
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        self._block += data
        if len(self._block) >= _BLOCK_BYTES:
            await self._put()

    async def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writing is not None:
            await self._threads.run(self._writing.__exit__, kind, error, trace)

    async def _put(self) -> None:
        block, self._block = bytes(self._block), bytearray()
        if block:
            await self._threads.run(self._write, block)

    def _write(self, block: bytes) -> None:
        self._sha256.update(block)
        if self._file is not None:
            self._file.write(block)
