"""A real Redis for tests, private to each: on loopback, on a free port, in a temporary folder."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from installation import free_port

_READY_WITHIN_S = 20


class RedisServer:
    """A Redis that keeps nothing; it can be killed, started again and stopped for a while."""

    def __init__(self, folder: Path, password: str = "") -> None:
        self.port = free_port()
        self.url = f"redis://:{password}@127.0.0.1:{self.port}/0" if password else f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder)]
        options += ["--save", "", "--appendonly", "no", *(["--requirepass", self._password] if self._password else [])]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        pytest.fail("redis-server did not start")

    def kill(self) -> None:
        """End it without a word, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def stop(self) -> None:
        """Let it stand still: it accepts connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End that."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def redis_server(folder: Path, password: str = "") -> Iterator[RedisServer]:
    """A running Redis; without redis-server the test is skipped, or fails where CI promises it."""
    if shutil.which("redis-server") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("redis-server is not installed: .ci/run installs it")
        pytest.skip("redis-server is not installed (Debian: redis-server)")
    server = RedisServer(folder, password)
    server.start()
    try:
        yield server
    finally:
        server.kill()
