"""Downloads: sent in blocks for as long as the caller takes them, and no longer."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
from starlette.types import Message

from loan_default.api.bulk.sending import Download
from loan_default.api.bulk.threads import Threads
from loan_default.errors import Busy, JobsUnavailable, NoSuchJob

HEADERS = [(b"content-type", b"text/csv")]


class Caller:
    """Takes an answer; goes away after so many blocks."""

    def __init__(self, leaves_after: int = 1000, takes_s: float = 0.0) -> None:
        self.messages: list[Message] = []
        self.read = 0
        self._leaves_after = leaves_after
        self._takes_s = takes_s
        self._gone = asyncio.Event()

    async def send(self, message: Message) -> None:
        await asyncio.sleep(self._takes_s)
        self.messages.append(message)
        if len(self.messages) > self._leaves_after:
            self._gone.set()

    async def receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    def blocks(self) -> Iterator[bytes]:
        for i in range(100):
            self.read = i + 1
            yield b"%d," % i

    async def takes(
        self, taken: Callable[[], AbstractContextManager[object]] = nullcontext, method: str = "GET"
    ) -> bytes:
        threads = Threads(1, "test")
        download = Download(threads, self.blocks, HEADERS, taken)
        await download.open()
        await download({"type": "http", "method": method}, self.receive, self.send)
        threads.close()
        return b"".join(message.get("body", b"") for message in self.messages)


def test_all_blocks_are_sent_in_order_and_the_place_is_given_back() -> None:
    held: list[str] = []

    @contextmanager
    def taken() -> Iterator[None]:
        held.append("taken")
        yield
        held.append("given back")

    async def everything() -> tuple[bytes, Caller]:
        caller = Caller()
        return await caller.takes(taken), caller

    body, caller = asyncio.run(everything())
    assert body == b"".join(b"%d," % i for i in range(100))
    assert caller.messages[0] == {"type": "http.response.start", "status": 200, "headers": HEADERS}
    assert held == ["taken", "given back"]


def test_head_has_no_body() -> None:
    async def head() -> tuple[bytes, int]:
        caller = Caller()
        return await caller.takes(method="HEAD"), caller.read

    assert asyncio.run(head()) == (b"", 1)


def test_for_a_caller_that_went_away_nothing_more_is_read() -> None:
    async def leaving() -> int:
        caller = Caller(leaves_after=5)
        await caller.takes()
        return caller.read

    assert asyncio.run(leaving()) < 20


def test_a_caller_that_takes_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def taking(takes_s: float) -> list[Message]:
        caller = Caller(takes_s=takes_s)
        await caller.takes()
        return caller.messages

    monkeypatch.setattr("loan_default.api.bulk.sending.STALL_S", 0.05)
    assert asyncio.run(taking(0.001))[-1] == {"type": "http.response.body", "body": b""}
    assert [message["type"] for message in asyncio.run(taking(0.5))] == ["http.response.start"]  # never complete


@pytest.mark.parametrize(
    ("problem", "refused"), [(FileNotFoundError(), NoSuchJob), (OSError(5, "secret path"), JobsUnavailable)]
)
def test_what_cannot_be_read_is_refused_before_anything_is_sent(problem: OSError, refused: type[Exception]) -> None:
    def blocks() -> Iterator[bytes]:
        raise problem

    given_back = []

    @contextmanager
    def taken() -> Iterator[None]:
        try:
            yield
        finally:
            given_back.append(True)

    with pytest.raises(refused) as caught:
        asyncio.run(Download(Threads(1, "test"), blocks, HEADERS, taken).open())
    assert "secret" not in str(caught.value)
    assert given_back == [True]


def test_without_a_place_it_is_refused() -> None:
    def taken() -> AbstractContextManager[object]:
        raise Busy("full")

    with pytest.raises(Busy):
        asyncio.run(Download(Threads(1, "test"), lambda: iter([b""]), HEADERS, taken).open())
