"""What a server's processes cost, all of them together: CPU time and memory, from /proc."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Stat:
    """One line of /proc/PID/stat.

    Attributes:
        cpu_s: CPU seconds in user and kernel, its dead and waited-for children included.
        rss_bytes: resident memory; what processes share counts for each.
    """

    pid: int
    parent: int
    session: int
    cpu_s: float
    rss_bytes: int


@dataclass(frozen=True)
class Usage:
    """What some processes have used up to now: CPU seconds by process, and memory of all in bytes."""

    cpu_s: dict[int, float]
    rss_bytes: int


def parse_stat(line: str) -> Stat:
    """Read a line of /proc/PID/stat; the command's name in it may hold anything, spaces and brackets included."""
    head, _, tail = line.rpartition(")")
    fields = tail.split()  # from the third field on, which is the state
    ticks = sum(int(fields[i]) for i in (11, 12, 13, 14))  # utime, stime, cutime, cstime
    return Stat(
        pid=int(head.partition("(")[0]),
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_s=ticks / _TICKS_PER_S,
        rss_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def family(leader: int, stats: Iterable[Stat]) -> list[Stat]:
    """The leader of a session, everybody in it, and all their descendants, wherever they moved."""
    known = {stat.pid: stat for stat in stats}
    members = {pid for pid, stat in known.items() if leader in {pid, stat.session}}
    growing = True
    while growing:
        found = {pid for pid, stat in known.items() if stat.parent in members} - members
        members |= found
        growing = bool(found)
    return [known[pid] for pid in sorted(members)]


def usage(leader: int) -> Usage:
    """What the processes that belong to `leader` have used up to now."""
    members = family(leader, _all())
    return Usage({stat.pid: stat.cpu_s for stat in members}, sum(stat.rss_bytes for stat in members))


def members(leader: int) -> list[int]:
    """The ids of the processes that belong to `leader`."""
    return [stat.pid for stat in family(leader, _all())]


def _all() -> Iterable[Stat]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield parse_stat((folder / "stat").read_text(encoding="utf-8", errors="replace"))
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                continue
