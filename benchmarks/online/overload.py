"""Many more connections than the server can serve, between two normal loads: who is refused, how, and who recovers?"""

import resource
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from statistics import median

from benchmarks.online.measure import bodies_of, check, warm_up
from benchmarks.online.running import Running, running
from benchmarks.online.servers import CONNECTIONS, Server
from benchmarks.online.subject import Subject
from benchmarks.online.wrk import Load, load

_REFUSALS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_PROBE_EVERY_S = 0.1
_PROBERS = 100  # as many as may wait at once
_RECOVERED_WITHIN_S = 30


@dataclass(frozen=True)
class Probe:
    """What one caller with a connection of its own met during the flood; status 0 is no answer."""

    status: int
    seconds: float
    retry_after: bool


@dataclass(frozen=True)
class Overloaded:
    """What came of it.

    Attributes:
        phases: before, flood, after.
        probes: callers beside the flood.
        recovered_s: from the end of the flood to the first plain answer; None when none came in time.
    """

    title: str
    connections: int
    phases: tuple[Load, Load, Load]
    probes: tuple[Probe, ...]
    recovered_s: float | None


def overload(server: Server, subject: Subject, *, size: int, connections: int, seconds: float) -> Overloaded:
    """Normal load, the flood, normal load again; `size` applicants a request."""
    _allow_open_files(connections + 100)
    with ThreadPoolExecutor(_PROBERS) as beside, running(server) as up, bodies_of(server, subject, size) as bodies:

        def loaded(by: int) -> Load:
            return load(up.url, bodies, server.headers, connections=by, seconds=seconds, statuses=True)

        check(up, subject, size)
        warm_up(up, bodies)
        before = loaded(CONNECTIONS)
        print(f"{server.title}: {connections:,} connections", file=sys.stderr)
        body = server.bodies(subject.applicants[:size], size)[0]
        flooding = beside.submit(loaded, connections)
        asked = []
        while not flooding.done():
            asked.append(beside.submit(_probe, up, body))
            time.sleep(_PROBE_EVERY_S)
        flood = flooding.result()
        recovered_s = _recovery(up, body)
        probes = tuple(probe.result() for probe in asked)
        return Overloaded(server.title, connections, (before, flood, loaded(CONNECTIONS)), probes, recovered_s)


def lines(overloaded: Sequence[Overloaded]) -> Iterator[str]:
    """Two Markdown tables: the loads, and the callers beside the flood."""
    yield "| server | connections | answers/s | 200 | 429 | 503 | other | none | Retry-After | p50 / p99 / max ms |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for run in overloaded:
        for connections, phase in zip((CONNECTIONS, run.connections, CONNECTIONS), run.phases, strict=True):
            yield f"| {run.title} | {connections:,} | {' | '.join(_cells(phase))} |"
    yield ""
    yield "| beside the flood | callers | 200: p50 / max ms | 429 or 503: p50 / max ms | none | first 200 after it, s |"
    yield "|---|---:|---:|---:|---:|---:|"
    for run in overloaded:
        answered = [probe.seconds for probe in run.probes if probe.status == HTTPStatus.OK]
        refused = [probe for probe in run.probes if probe.status in _REFUSALS]
        advised = sum(probe.retry_after for probe in refused)
        none = sum(probe.status == 0 for probe in run.probes)
        recovered = "never" if run.recovered_s is None else f"{run.recovered_s:.2f}"
        yield (
            f"| {run.title} | {len(run.probes)} | {len(answered)}: {_milliseconds(answered)} "
            f"| {len(refused)} ({advised} with Retry-After): {_milliseconds([p.seconds for p in refused])} "
            f"| {none} | {recovered} |"
        )


def _cells(phase: Load) -> list[str]:
    known = [phase.statuses.get(status, 0) for status in ("200", "429", "503")]
    other = phase.requests - sum(known)
    without = phase.connect + phase.read + phase.write + phase.timeout
    return [
        f"{phase.per_second:,.0f}",
        *(f"{count:,}" for count in (*known, other, without)),
        f"{phase.with_retry_after:,} of {phase.refusals:,}",
        f"{phase.p50_us / 1e3:.1f} / {phase.p99_us / 1e3:.1f} / {phase.max_us / 1e3:.1f}",
    ]


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1e3:.1f} / {max(seconds) * 1e3:.1f}" if seconds else "–"


def _probe(up: Running, body: str) -> Probe:
    began = time.perf_counter()
    try:
        status, headers, _ = up.ask(body)
    except OSError:
        return Probe(0, time.perf_counter() - began, retry_after=False)
    return Probe(status, time.perf_counter() - began, "retry-after" in headers)


def _recovery(up: Running, body: str) -> float | None:
    began = time.perf_counter()
    while time.perf_counter() - began < _RECOVERED_WITHIN_S:
        if _probe(up, body).status == HTTPStatus.OK:
            return time.perf_counter() - began
    return None


def _allow_open_files(count: int) -> None:
    """For the load generator and the server, which inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
