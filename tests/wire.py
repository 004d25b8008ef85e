"""HTTP/1.1 by hand, for what no HTTP client would send: raw bytes out, parsed answers back."""

import json
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from installation import KEY

# Longer than the service gives a slow body, shorter than anybody waits.
PATIENCE_S = 20


@dataclass(frozen=True)
class Reply:
    """One answer; `headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, which must be JSON as the standard has it: without NaN and infinity."""

        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is no JSON")

        return json.loads(self.body, parse_constant=refuse)


class Connection:
    """One TCP connection."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._socket = socket.create_connection((at.hostname, at.port), timeout=PATIENCE_S)
        self._received = b""

    def send(self, data: bytes) -> bool:
        """Send all of it; False when the server has closed."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def drip(self, pieces: Iterable[bytes], pause_s: float) -> float:
        """Send one piece after another with pauses until the server says something or closes.

        Returns:
            The seconds it took.

        Raises:
            TimeoutError: the server let it go on for longer than anybody should wait.
        """
        began = time.monotonic()
        self._socket.settimeout(pause_s)
        for piece in pieces:
            if time.monotonic() - began > PATIENCE_S:
                raise TimeoutError("the server goes on waiting")
            if not self.send(piece) or self._heard():
                break
        self._socket.settimeout(PATIENCE_S)
        return time.monotonic() - began

    def reply(self, to: str = "POST") -> Reply | None:
        """The next answer; None when the server closes instead. Raises TimeoutError when it does neither."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split(" ")[1])
        if status < 200 or status in {204, 304} or to == "HEAD":
            return Reply(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, self._chunks())
        return Reply(status, headers, self._exactly(int(headers["content-length"])))

    def closed_within(self, seconds: float) -> bool:
        """Whether the server closes without saying any more."""
        self._socket.settimeout(seconds)
        try:
            return self._received == b"" and not self._read()
        except TimeoutError:
            return False

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _heard(self) -> bool:
        try:
            self._read()
        except TimeoutError:
            return False
        return True

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            return b""
        self._received += data
        return data

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._received:
            if not self._read():
                return None
        found, _, self._received = self._received.partition(mark)
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            if not self._read():
                raise ConnectionError("closed in the middle of an answer")
        body, self._received = self._received[:count], self._received[count:]
        return body

    def _chunks(self) -> bytes:
        body = b""
        while True:
            line = self._until(b"\r\n")
            if line is None:
                raise ConnectionError("closed in the middle of an answer")
            size = int(line, 16)
            body += self._exactly(size)
            self._exactly(2)
            if not size:
                return body


@contextmanager
def connection(url: str) -> Iterator[Connection]:
    """A connection that is closed in the end."""
    opened = Connection(url)
    try:
        yield opened
    finally:
        opened.close()


def head(target: str, *headers: str, method: str = "POST", key: str | None = KEY) -> bytes:
    """The head of a request, ready to be sent."""
    lines = [f"{method} {target} HTTP/1.1", "Host: loan", *([f"X-API-Key: {key}"] if key else []), *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def request(target: str, body: bytes, *headers: str, method: str = "POST", key: str | None = KEY) -> bytes:
    """A whole request with a JSON body."""
    described = ("Content-Type: application/json", f"Content-Length: {len(body)}", *headers)
    return head(target, *described, method=method, key=key) + body


def ask(url: str, data: bytes, to: str = "POST") -> Reply | None:
    """Send bytes on a connection of their own; the answer, or None when the server closed."""
    with connection(url) as opened:
        opened.send(data)
        return opened.reply(to)
