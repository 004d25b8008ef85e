"""Which workers are alive: each holds a lock under its executor id, and who gets hold of a lock knows its owner dead.

A lock on a file, for workers that share a disk, is dropped by the kernel; an advisory lock of a Postgres session, for
workers that share a database, by the server. Neither needs a clock or a heartbeat.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import psycopg
from pydantic import SecretStr

from loan_default.decision_log.database import Connection, Database

_MOST_BITS: Final = 63


class Liveness(Protocol):
    """The locks of all workers."""

    def hold(self) -> bool:
        """Hold our own lock, again if it was lost; True when it had to be taken. Raises OSError or psycopg.Error."""

    def dead(self, executor_id: str) -> AbstractContextManager[bool]:
        """For a `with` block: whether that worker is dead. Nobody else can find it dead within the block."""

    def release(self) -> None:
        """Let go of our own lock."""


class FileLocks:
    """Locks on files of one folder."""

    def __init__(self, folder: Path, executor_id: str) -> None:
        self._folder = folder
        self._own = folder / executor_id
        self._descriptor = -1

    def hold(self) -> bool:
        """Take our own lock; see `Liveness`. It cannot be lost."""
        if self._descriptor >= 0:
            return False
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(self._own, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True

    @contextmanager
    def dead(self, executor_id: str) -> Iterator[bool]:
        """Whether a worker is dead; see `Liveness`. A dead one's file goes: its id is never used again."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / Path(executor_id).name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Let go of our own lock; see `Liveness`."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._own.unlink(missing_ok=True)


class SessionLocks:
    """Advisory locks of one Postgres session; a pooler that shares sessions between clients would break them."""

    def __init__(self, url: SecretStr, executor_id: str) -> None:
        self._database = Database(url)
        self._executor_id = executor_id
        self._connection: Connection | None = None

    def hold(self) -> bool:
        """Take our own lock, on a new connection after the old one broke; see `Liveness`."""
        if self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                self.release()
            else:
                return False
        connection = self._database.connect()
        connection.execute("SELECT pg_advisory_lock(%s)", (_number(self._executor_id),))
        self._connection = connection
        return True

    @contextmanager
    def dead(self, executor_id: str) -> Iterator[bool]:
        """Whether a worker is dead; see `Liveness`."""
        if self._connection is None:
            yield False
            return
        number = (_number(executor_id),)
        (free,) = self._connection.execute("SELECT pg_try_advisory_lock(%s)", number).fetchone() or (False,)
        try:
            yield bool(free)
        finally:
            if free:
                self._connection.execute("SELECT pg_advisory_unlock(%s)", number)

    def release(self) -> None:
        """Let go of our own lock, with the connection; see `Liveness`."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


def _number(executor_id: str) -> int:
    """The number of a worker's lock, of the 2⁶³ that Postgres has; ours is nobody else's by chance."""
    digest = hashlib.sha256(f"loan-default worker {executor_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _MOST_BITS)
