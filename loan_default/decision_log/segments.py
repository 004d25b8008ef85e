"""The files of the decision log: which decisions are in which, by their names.

    STATE_DIR/decisions/20261124T180244.123Z-4711-5f3a9c01.jsonl

A segment belongs to the process that made it and is named after the time of its first decision. It holds decisions
from `BEFORE_S` before that time to `SPAN_S` after it, going by their ids, and no others: a process whose clock jumps
further starts another segment. So an id tells which few segments to read, whatever clocks did.
"""

import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from loan_default.decision_log.ids import first_id_at, milliseconds_of
from loan_default.settings import Settings

SPAN_S = 24 * 3600
BEFORE_S = 60

_NAME = re.compile(r"(\d{8}T\d{6}\.\d{3})Z-\d+-[0-9a-f]{8}\.jsonl")
_TIME = "%Y%m%dT%H%M%S.%f"


@dataclass(frozen=True)
class Segment:
    """One file: where it is, and the time of its first decision, Unix time in milliseconds."""

    path: Path
    start_ms: int

    @cached_property  # it is asked for each record that is written
    def ids(self) -> tuple[str, str]:
        """The range of ids it may hold, the end excluded."""
        return first_id_at(self.start_ms - BEFORE_S * 1000), first_id_at(self.end_ms)

    @property
    def end_ms(self) -> int:
        """When every decision in it was made, Unix time in milliseconds."""
        return self.start_ms + SPAN_S * 1000

    def covers(self, decision_id: str) -> bool:
        """Whether a decision may be in it."""
        first, end = self.ids
        return first <= decision_id < end


def decisions_folder(settings: Settings) -> Path:
    """Where an installation keeps its segments."""
    return settings.state / "decisions"


def new_segment(folder: Path, decision_id: str) -> Segment:
    """A name for a segment that begins with this decision; nobody else takes it."""
    start_ms = milliseconds_of(decision_id)
    start = datetime.fromtimestamp(start_ms // 1000, UTC)
    name = f"{start:%Y%m%dT%H%M%S}.{start_ms % 1000:03d}Z-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
    return Segment(folder / name, start_ms)


def segments(folder: Path) -> Iterator[Segment]:
    """All segments in a folder, in no order; none when there is no folder.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            start_ms = _start_of(entry.name)
            if start_ms is not None:
                yield Segment(Path(entry.path), start_ms)


def bytes_in(folder: Path) -> int:
    """How much all segments in a folder take.

    Raises:
        OSError: the folder cannot be read.
    """
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue  # removed between being listed and being asked
    return total


def _start_of(name: str) -> int | None:
    """The time that a segment's name tells; None for a file that is none."""
    named = _NAME.fullmatch(name)
    if named is None:
        return None
    try:
        start = datetime.strptime(named[1], _TIME).replace(tzinfo=UTC)
    except ValueError:  # the 45th of May
        return None
    return round(start.timestamp() * 1000)
