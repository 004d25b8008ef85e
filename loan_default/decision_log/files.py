"""Writes the decision log's files: whole lines, at the end of a segment that no other process writes.

What was written stays when the process is killed: it is in the kernel by then. Against a power cut a durable write
waits until the disk has it, others reach the disk when their segment is finished or when the kernel gets to it. A line
that could be written in part only is taken back, so that nothing is ever glued to it; should the process be killed
before that, the segment ends in half a line, which readers skip and nobody continues.
"""

import errno
import fcntl
import os
import time
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Literal

from loan_default.decision_log.record import Line
from loan_default.decision_log.segments import Segment, bytes_in, new_segment, segments
from loan_default.decision_log.store import Reason, StoreUnavailable

MOST_SEGMENT_BYTES = 64 * 2**20
# The size of the folder is looked up anew after so many bytes or seconds, so processes overshoot the limit by no more.
_UNSEEN_BYTES = 2**20
_UNSEEN_S = 5.0
_UNSEEN_WHILE_FULL_S = 1.0
# Segments removed in one go, between two writes.
_MOST_EXPIRED = 200
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FileStore:
    """The decision log of one process, in a folder that several processes may share."""

    name: Literal["files"] = "files"

    def __init__(self, folder: Path, *, most_bytes: int, retention_days: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._retention_ms = retention_days * 24 * 3600 * 1000
        self._segment: Segment | None = None
        self._file = -1
        self._folder_bytes = 0
        self._unseen_bytes = _UNSEEN_BYTES
        self._seen_at = 0.0

    def write(self, lines: Sequence[Line], *, durable: bool) -> None:
        """Append the lines; see `Store`."""
        written = 0
        try:
            while written < len(lines):
                written += self._write_some(lines[written:], durable=durable)
        except OSError as error:
            raise StoreUnavailable(_reason(error), _explanation(error), written) from error
        except StoreUnavailable as unavailable:
            unavailable.written = written
            raise

    def expire(self) -> bool:
        """Remove segments whose last decision is older than the retention, one process at a time; see `Store`."""
        try:
            return self._expire(time.time_ns() // 1_000_000 - self._retention_ms)
        except OSError as error:
            raise StoreUnavailable(_reason(error), _explanation(error)) from error

    def close(self) -> None:
        """Finish the segment."""
        if self._segment is not None:
            try:
                os.fdatasync(self._file)
            finally:
                os.close(self._file)
                self._segment = None

    def _write_some(self, lines: Sequence[Line], *, durable: bool) -> int:
        """Append those of the first lines that one segment may hold; how many."""
        before = self._ready_for(lines[0].id)
        assert self._segment is not None  # noqa: S101  # `_ready_for` saw to it
        here = list(takewhile(lambda line: self._segment.covers(line.id), lines))  # type: ignore[union-attr]  # as above
        data = b"".join([line.json + b"\n" for line in here])
        self._require_room(len(data))
        try:
            _write_all(self._file, data)
            if durable:
                os.fdatasync(self._file)
        except OSError:
            self._take_back(before)
            raise
        self._folder_bytes += len(data)
        self._unseen_bytes += len(data)
        return len(here)

    def _ready_for(self, decision_id: str) -> int:
        """Have a segment open that may hold this decision; returns its size."""
        if self._segment is not None:
            now = os.fstat(self._file)
            removed = now.st_nlink == 0
            if not removed and now.st_size < MOST_SEGMENT_BYTES and self._segment.covers(decision_id):
                return now.st_size
            self.close()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        segment = new_segment(self._folder, decision_id)
        self._file = os.open(segment.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._segment = segment
        for folder in (self._folder, self._folder.parent):
            _sync_folder(folder)
        return 0

    def _require_room(self, more: int) -> None:
        seen_s_ago = time.monotonic() - self._seen_at
        is_full = self._folder_bytes + more > self._most_bytes
        if self._unseen_bytes >= _UNSEEN_BYTES or seen_s_ago >= (_UNSEEN_WHILE_FULL_S if is_full else _UNSEEN_S):
            self._folder_bytes = bytes_in(self._folder)
            self._unseen_bytes, self._seen_at = 0, time.monotonic()
        if self._folder_bytes + more > self._most_bytes:
            raise StoreUnavailable(
                "size_limit",
                f"the files have reached {self._most_bytes / 2**20:g} MiB; raise DECISION_LOG_MAX_MIB, "
                "or archive and remove the oldest",
            )

    def _take_back(self, size: int) -> None:
        """Remove what a failed write left, and leave the segment: its end is not to be trusted any more."""
        assert self._segment is not None  # noqa: S101  # it was just written to
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)  # not while somebody erases a line that goes away here
            os.ftruncate(self._file, size)
            if size == 0:
                self._segment.path.unlink(missing_ok=True)
        except OSError:
            pass  # readers skip half a line, and nothing is written behind it
        finally:
            os.close(self._file)
            self._segment = None

    def _expire(self, before_ms: int) -> bool:
        if not self._folder.is_dir():
            return False
        lock = os.open(self._folder / ".retention.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            old = [segment.path for segment in segments(self._folder) if segment.end_ms < before_ms]
            for path in old[:_MOST_EXPIRED]:
                path.unlink(missing_ok=True)
            return len(old) > _MOST_EXPIRED
        except BlockingIOError:
            return False  # another process is at it
        finally:
            os.close(lock)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]  # a disk that fills up takes a part, and refuses the next


def _sync_folder(folder: Path) -> None:
    """See to it that a power cut does not lose a new file as a whole."""
    entries = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(entries)
    finally:
        os.close(entries)


def _reason(error: OSError) -> Reason:
    return "disk_full" if error.errno in _FULL else "unwritable"


def _explanation(error: OSError) -> str:
    return f"{error.strerror} in STATE_DIR/decisions"
