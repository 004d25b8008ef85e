"""Full load for minutes: does memory stay flat, does anything fail, what is the slowest answer?"""

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

from benchmarks.online.measure import bodies_of, check, warm_up
from benchmarks.online.running import running
from benchmarks.online.servers import CONNECTIONS, Server
from benchmarks.online.subject import Subject
from benchmarks.online.wrk import Load, load

_EVERY_S = 10
_MOST_GROWTH = 0.01
_FEWEST_SAMPLES = 6
RULE = (
    "Flat: the median of the last third of the samples is at most "
    f"{_MOST_GROWTH:.0%} above the median of the third before it."
)


@dataclass(frozen=True)
class Soaked:
    """What came of it: memory in MB every ten seconds, and the load as a whole."""

    title: str
    rss_mb: tuple[float, ...]
    load: Load


def soak(server: Server, subject: Subject, minutes: float) -> Soaked:
    """Load one server at 32 connections."""
    with running(server) as up, bodies_of(server, subject, 1) as bodies, ThreadPoolExecutor(1) as beside:
        check(up, subject)
        warm_up(up, bodies)
        loading = beside.submit(load, up.url, bodies, server.headers, connections=CONNECTIONS, seconds=minutes * 60)
        samples = [up.usage().rss_bytes / 1e6]
        while not loading.done():
            time.sleep(_EVERY_S)
            samples.append(up.usage().rss_bytes / 1e6)
            print(f"{server.title}: {samples[-1]:,.1f} MB", file=sys.stderr)
        return Soaked(server.title, tuple(samples), loading.result())


def flat(samples: Sequence[float]) -> bool | None:
    """Whether memory is flat by the rule; None when there are too few samples to say."""
    if len(samples) < _FEWEST_SAMPLES:
        return None
    third = len(samples) // 3
    return growth(samples[-2 * third : -third], samples[-third:]) <= _MOST_GROWTH


def growth(before: Sequence[float], after: Sequence[float]) -> float:
    """How much larger the median became, as a share."""
    return median(after) / median(before) - 1


def lines(soaked: Sequence[Soaked]) -> Iterator[str]:
    """The Markdown table."""
    yield "| server | minutes | requests | errors | p99 / max ms | RSS MB: first, median of each third, most | flat |"
    yield "|---|---:|---:|---:|---:|---|---|"
    for run in soaked:
        third = max(1, len(run.rss_mb) // 3)
        parts = (run.rss_mb[: -2 * third], run.rss_mb[-2 * third : -third], run.rss_mb[-third:])
        medians = ", ".join(f"{median(part or run.rss_mb):,.1f}" for part in parts)
        yield (
            f"| {run.title} | {run.load.duration_us / 60e6:.1f} | {run.load.requests:,} | {run.load.errors:,} "
            f"| {run.load.p99_us / 1e3:.1f} / {run.load.max_us / 1e3:.1f} "
            f"| {run.rss_mb[0]:,.1f}; {medians}; {max(run.rss_mb):,.1f} "
            f"| {({True: 'yes', False: 'no', None: 'too short to say'})[flat(run.rss_mb)]} |"
        )
    yield ""
    yield RULE
