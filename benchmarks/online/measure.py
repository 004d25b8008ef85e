"""One round with one server: started anew, checked, warmed up, then loaded; and what the rounds come to."""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

from benchmarks.environments import RivalFailed
from benchmarks.online.running import Running, running
from benchmarks.online.servers import CONNECTIONS, Server
from benchmarks.online.subject import Subject
from benchmarks.online.wrk import Load, load

_WARM_UP_S = 2
_CHECKED = 8


@dataclass(frozen=True)
class Round:
    """The figures of one round.

    Attributes:
        cpu_us: CPU of all the server's processes for one request at 32 connections.
        per_second: requests answered a second there.
        p50_ms, p99_ms, max_ms: latency there.
        alone_p50_ms: median latency with one connection.
        ready_s: from the command to ready.
        rss_before_mb, rss_after_mb: memory of all its processes when ready, and after the load.
        errors: answers other than 200 and connections that failed.
    """

    cpu_us: float
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    alone_p50_ms: float
    ready_s: float
    rss_before_mb: float
    rss_after_mb: float
    errors: int


@dataclass(frozen=True)
class Spread:
    """The middle and the range of one figure over the rounds."""

    median: float
    least: float
    most: float


def measure(server: Server, subject: Subject, *, seconds: float, size: int = 1) -> Round:
    """One round: `size` applicants in each request.

    Raises:
        RivalFailed: the server did not start, or answered something else than the model does.
    """
    with running(server) as up, bodies_of(server, subject, size) as bodies:
        before = up.usage()
        check(up, subject, size)
        warm_up(up, bodies)
        full, spent = costed(up, bodies, seconds)
        alone = load(up.url, bodies, server.headers, connections=1, seconds=seconds / 2)
        after = up.usage()
    return Round(
        cpu_us=sum(spent.values()) / max(1, full.requests) * 1e6,
        per_second=full.per_second,
        p50_ms=full.p50_us / 1e3,
        p99_ms=full.p99_us / 1e3,
        max_ms=full.max_us / 1e3,
        alone_p50_ms=alone.p50_us / 1e3,
        ready_s=up.started_s,
        rss_before_mb=before.rss_bytes / 1e6,
        rss_after_mb=after.rss_bytes / 1e6,
        errors=full.errors + alone.errors,
    )


@contextmanager
def bodies_of(server: Server, subject: Subject, size: int) -> Iterator[Path]:
    """A file with all applicants as the server's bodies, `size` applicants in each, one body a line."""
    with tempfile.TemporaryDirectory(prefix="loan-default-bodies-") as folder:
        bodies = Path(folder, "bodies")
        bodies.write_text("\n".join(server.bodies(subject.applicants, size)) + "\n", encoding="utf-8")
        yield bodies


def warm_up(up: Running, bodies: Path) -> None:
    """A short load that is not measured."""
    load(up.url, bodies, up.server.headers, connections=CONNECTIONS, seconds=_WARM_UP_S)


def costed(up: Running, bodies: Path, seconds: float, connections: int = CONNECTIONS) -> tuple[Load, dict[int, float]]:
    """A load, and the CPU seconds that each of the server's processes spent on it."""
    before = up.usage().cpu_s
    full = load(up.url, bodies, up.server.headers, connections=connections, seconds=seconds)
    after = up.usage().cpu_s
    # What a process that ended meanwhile had used is part of its parent's figure now.
    return full, {pid: after.get(pid, 0.0) - before.get(pid, 0.0) for pid in {*before, *after}}


def check(up: Running, subject: Subject, size: int = 1) -> None:
    """Compare a few answers with the model's own; nobody shall be fast by being wrong."""
    for i, body in enumerate(up.server.bodies(subject.applicants[: _CHECKED * size], size)):
        status, _, answer = up.ask(body)
        if status != HTTPStatus.OK:
            raise RivalFailed(f"{up.server.title} answered {status}: {answer}")
        expected = subject.pds[i * size : (i + 1) * size]
        given = up.server.pds(answer)
        if len(given) != len(expected) or _furthest(given, expected) > up.server.tolerance:
            raise RivalFailed(f"{up.server.title} answered {given} where the model says {expected}")


def spreads(rounds: Sequence[Round]) -> dict[str, Spread]:
    """Each figure over the rounds, by name."""
    figures = [asdict(of_round) for of_round in rounds]
    return {
        name: Spread(statistics.median(values), min(values), max(values))
        for name in figures[0]
        for values in [[figure[name] for figure in figures]]
    }


def _furthest(given: Sequence[float], expected: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(given, expected, strict=True))
