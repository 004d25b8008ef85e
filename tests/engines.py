"""Real engines for tests: a Postgres server of one's own, on loopback, in a folder that goes away with it."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from installation import free_port

# With characters that an address must have percent-encoded.
PASSWORD = "s3cret/p@ss word"
_QUOTED_PASSWORD = "s3cret%2Fp%40ss%20word"
_READY_WITHIN_S = 30


class Postgres:
    """A server that can be stopped, killed and started again on the same data."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        # Postgres refuses to run as root; Debian's package brings a user for it.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user, self._user)
        word = folder / "password"
        word.write_text(PASSWORD)
        arguments: list[str | Path] = [
            "-U",
            "owner",
            f"--pwfile={word}",
            "--auth=scram-sha-256",
            "--no-sync",
            "-D",
            folder / "data",
        ]
        subprocess.run(
            [programs / "initdb", *arguments], check=True, capture_output=True, user=self._user, timeout=120, cwd=folder
        )

    @property
    def url(self) -> str:
        """The address of a database that is there from the start, as DATABASE_URL takes it."""
        return f"postgresql://owner:{_QUOTED_PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", self._folder / "data", *arguments],
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _READY_WITHIN_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "Postgres did not start"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop it at once: connections break, data stay."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)
            self._process = None

    def freeze(self) -> None:
        """Make it hang: connections stay open and nothing answers, until `thaw`."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """The rows of a query."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for process in (self._process.pid, *map(int, children)):
            os.kill(process, number)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server for the block; skips the test where Postgres is not installed, unless CI says that it must be."""
    programs = _programs()
    if programs is None:
        assert not os.environ.get("CI"), "CI must have Postgres: apt-get install postgresql"
        pytest.skip("Postgres is not installed (apt-get install postgresql)")
    # Not pytest's own temporary folder: its parents let nobody in but us, and the server runs as somebody else.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = Postgres(programs, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _programs() -> Path | None:
    """The folder of Postgres' programs, the newest version's; Debian keeps them out of PATH."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").is_file()]
    return max(versions, key=lambda path: float(path.parent.name), default=None)
