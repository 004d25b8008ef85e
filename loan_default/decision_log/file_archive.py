"""Finds records in the decision log's files and erases them in place, while their processes go on writing.

Erasing overwrites the bytes of a line by a marker and blanks of the same length, so that the file a process is
appending to stays the same file, and nothing of the record is left in it.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from loan_default.decision_log.record import Record, decode_record
from loan_default.decision_log.segments import Segment, segments
from loan_default.errors import DecisionLogUnavailable

_ERASED = b'{"erased":true}'


class _Found(NamedTuple):
    """A record and where it stands: its segment, and the place and bytes of its line without the line's end."""

    path: Path
    offset: int
    line: bytes
    record: Record


class _Unreadable(DecisionLogUnavailable):
    """Records that may be the ones that are looked for, and cannot be read."""


class FileArchive:
    """The decision log in a folder, of all processes that wrote there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, decision_id: str) -> Record | None:
        """The record of a decision; see `Archive`."""
        return next((found.record for found in self._of_decision(decision_id)), None)

    def erase_decision(self, decision_id: str) -> int:
        """Erase the record of a decision; see `Archive`."""
        return self._erase(lambda: self._of_decision(decision_id))

    def erase_reference(self, reference: str) -> int:
        """Erase every record of a reference; see `Archive`."""
        needle = b'"reference":' + msgspec.json.encode(reference)
        return self._erase(lambda: self._search(needle, lambda r: r.reference == reference, lambda _: True))

    def _of_decision(self, decision_id: str) -> Iterator[_Found]:
        needle = b'"id":"' + decision_id.encode() + b'"'
        return self._search(needle, lambda r: r.id == decision_id, lambda s: s.covers(decision_id))

    def _search(
        self, needle: bytes, wanted: Callable[[Record], bool], within: Callable[[Segment], bool]
    ) -> Iterator[_Found]:
        """Every record that is `wanted` in the segments `within`; a line without `needle` is not even parsed.

        Raises:
            _Unreadable: after all others, when there are some that may be wanted and cannot be read.
        """
        unreadable: list[str] = []
        try:
            for segment in sorted(filter(within, segments(self._folder)), key=lambda s: s.path):
                yield from _search_file(segment.path, needle, wanted, unreadable)
        except OSError as error:
            raise DecisionLogUnavailable(f"STATE_DIR/decisions cannot be read: {error.strerror}.") from error
        if unreadable:
            raise _Unreadable(
                f"{len(unreadable)} records in {', '.join(sorted(set(unreadable)))} cannot be read by this version of "
                "loan-default: they are damaged, or of a later version."
            )

    def _erase(self, search: Callable[[], Iterator[_Found]]) -> int:
        """Erase what is found, until nothing is: a line may go away, and come again elsewhere, while we look."""
        erased = 0
        while True:
            found, unreadable = _as_far_as_readable(search())
            if not found:
                if unreadable:
                    raise unreadable
                return erased
            try:
                erased += sum(_overwrite(one) for one in found)
            except OSError as error:
                raise DecisionLogUnavailable(
                    f"STATE_DIR/decisions cannot be written to: {error.strerror}; erased {erased} so far, run it again."
                ) from error


def _search_file(
    path: Path, needle: bytes, wanted: Callable[[Record], bool], unreadable: list[str]
) -> Iterator[_Found]:
    """What is wanted in one file; its name goes to the `unreadable` for each line that may be it and cannot be read."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return  # its retention ended while we looked
    with file:
        offset = 0
        for line in file:
            # Without its end the line is one that is being written, or that was when its process was killed.
            if needle in line and line.endswith(b"\n"):
                record = _parsed(line)
                if record is None:
                    unreadable.append(path.name)
                elif wanted(record):
                    yield _Found(path, offset, line[:-1], record)
            offset += len(line)


def _as_far_as_readable(search: Iterator[_Found]) -> tuple[list[_Found], _Unreadable | None]:
    found: list[_Found] = []
    try:
        for one in search:
            found.append(one)  # noqa: PERF402  # what was found before the error counts
    except _Unreadable as error:
        return found, error
    return found, None


def _parsed(line: bytes) -> Record | None:
    try:
        return decode_record(line)
    except msgspec.MsgspecError:
        return None


def _overwrite(found: _Found) -> int:
    """Overwrite one line, if it still stands there; whether it did."""
    try:
        file = os.open(found.path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # a writer may take back what it could write in part only; see `files.py`
        if os.pread(file, len(found.line), found.offset) != found.line:
            return 0
        marker = _ERASED.ljust(len(found.line))
        if os.pwrite(file, marker, found.offset) != len(marker):
            raise OSError(0, "a line could be overwritten in part only")
        os.fdatasync(file)
        return 1
    finally:
        os.close(file)
