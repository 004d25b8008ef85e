"""Postgres and Redis for benchmarks: private ones, on loopback, in a folder that goes away with them."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.environments import RivalFailed
from benchmarks.online import processes
from benchmarks.online.running import free_ports

_READY_WITHIN_S = 30


@dataclass(frozen=True)
class Engine:
    """A running engine: its address, and the id of its first process."""

    url: str
    leader: int

    def cpu_s(self) -> float:
        """CPU seconds of all its processes up to now."""
        return sum(processes.usage(self.leader).cpu_s.values())


@contextmanager
def postgres() -> Iterator[Engine]:
    """A server with its own defaults, which flush each commit to the disk."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), default=None)
    if programs is None:
        raise RivalFailed("Postgres is not installed: `apt-get install postgresql` on Debian or Ubuntu.")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="loan-default-postgres-", ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, user, user)
        init = [str(programs / "initdb"), "-U", "owner", "--auth=trust", "-D", f"{folder}/data"]
        subprocess.run(init, check=True, capture_output=True, user=user, cwd=folder)
        options = {"port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        start = [str(programs / "postgres"), "-D", f"{folder}/data"]
        start += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        url = f"postgresql://owner@127.0.0.1:{port}/postgres"
        with _started(start, folder, lambda: psycopg.connect(url, connect_timeout=2).close(), user) as leader:
            yield Engine(url, leader)


@contextmanager
def redis() -> Iterator[Engine]:
    """A server that keeps nothing."""
    from redis import Redis

    program = shutil.which("redis-server")
    if program is None:
        raise RivalFailed("Redis is not installed: `apt-get install redis-server` on Debian or Ubuntu.")
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="loan-default-redis-") as folder:
        url = f"redis://127.0.0.1:{port}/0"
        start = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
        with _started(start, folder, lambda: Redis.from_url(url).ping(), None) as leader:
            yield Engine(url, leader)


@contextmanager
def _started(command: list[str], folder: str, ask: Callable[[], Any], user: str | None) -> Iterator[int]:
    process = subprocess.Popen(
        command, cwd=folder, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait(process, ask)
        yield process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", ask: Callable[[], Any]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        try:
            ask()
        except Exception as error:  # whatever a client of an engine that is not there yet says
            if process.poll() is not None or time.monotonic() > deadline:
                raise RivalFailed(f"{process.args!r} did not start: {error}") from error
            time.sleep(0.05)
        else:
            return
