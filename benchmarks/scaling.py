"""What one core serves, and where the next limit is: unit costs by CPU time, and what follows from them.

    python -m benchmarks.scaling                # prints docs/operations/scaling.md's figures: some four minutes
    python -m benchmarks.scaling --write        # and writes them there

Two settings of our server, everything on in both: alone (files, counts in memory), and as in a cluster, with a Postgres
that flushes each commit and a Redis. Loads as in `benchmarks/online`. CPU time is what is measured, of the server's
processes, of Postgres and of Redis, because on a small machine they take it from each other and from the load.
"""

import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import psycopg
import typer

from benchmarks.engines import Engine, postgres, redis
from benchmarks.environments import CACHE, ROOT
from benchmarks.online.measure import bodies_of, check, costed
from benchmarks.online.running import Running, running
from benchmarks.online.servers import CONNECTIONS, Place, Server, ours, ours_native
from benchmarks.online.subject import subject
from benchmarks.online.wrk import require_wrk

FIGURES = ROOT / "docs" / "operations" / "scaling.json"
PAGE = ROOT / "docs" / "operations" / "scaling.md"
BEGIN, END = "<!-- printed by benchmarks/scaling.py -->\n", "<!-- end -->\n"

_APPLICANTS = 1000
_SIZES = (1, 10, 100, 1000)
# Long calls come over few connections: one that is not answered at the end has cost, and does not count.
_CONNECTIONS = {100: 8, 1000: 2}
_WARM_UP_S = 2
_WRITTEN_WITHIN_S = 60
_MICRO = 1e6
# A core that is never busier than this has room for a burst and for a pod that is missing.
_BUSY = 0.6
_DAY_S = 86_400


@dataclass(frozen=True)
class Cost:
    """What one request costs.

    Attributes:
        workers: of the server.
        size: applicants in each request.
        cpu_us: CPU of all the server's processes for a request.
        per_second: requests a second, beside the load and the engines on the same cores.
        errors: everything that was not a plain answer.
    """

    workers: int
    size: int
    cpu_us: float
    per_second: float
    errors: int


@dataclass(frozen=True)
class Shared:
    """What one request costs with Postgres and Redis, and what it costs them.

    Attributes:
        postgres_us, redis_us: CPU of all their processes for a request of one applicant.
        row_bytes: of the decision's table with its indexes, for a decision; `wal_bytes` of its log.
        connections: that one pod with two workers has to Postgres.
        redis_commands: for a request.
        dropped: decisions that could not be kept.
    """

    cost: Cost
    postgres_us: float
    redis_us: float
    row_bytes: float
    wal_bytes: float
    connections: int
    redis_commands: float
    dropped: int


@dataclass(frozen=True)
class Figures:
    """All that was measured."""

    alone: list[Cost]
    two_workers: Cost
    shared: Shared

    @classmethod
    def load(cls, path: Path) -> Self:
        """What an earlier run has written."""
        content = json.loads(path.read_text(encoding="utf-8"))
        shared = Shared(**{**content["shared"], "cost": Cost(**content["shared"]["cost"])})
        return cls([Cost(**cost) for cost in content["alone"]], Cost(**content["two_workers"]), shared)


def main(
    seconds: Annotated[float, typer.Option(min=1, help="How long one load lasts.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured; the median counts.")] = 3,
    cache: Annotated[Path, typer.Option(help="Where the model is kept.")] = CACHE,
    write: Annotated[bool, typer.Option("--write", help="Put what is printed into docs/operations.")] = False,
) -> None:
    """Measure, and print what follows."""
    require_wrk()
    place = Place(subject(cache, _APPLICANTS), None)
    figures = measured(place, seconds, rounds)
    printed = "\n".join(lines(figures)) + "\n"
    sys.stdout.write(printed)
    if write:
        FIGURES.write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(before + BEGIN + printed + END + rest.partition(END)[2], encoding="utf-8")


def measured(place: Place, seconds: float, rounds: int) -> Figures:
    """Everything, in turns."""
    alone: list[list[Cost]] = []
    two: list[Cost] = []
    shared: list[Shared] = []
    for turn in range(rounds):
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)
        alone.append(_alone(place, seconds))
        two += _costs(place, [_complete(ours(place, 2))], [1], 2, seconds)
        shared.append(_shared(place, seconds))
    return Figures(
        [_median(list(of_size)) for of_size in zip(*alone, strict=True)],
        _median(two),
        _median_of(shared),
    )


def lines(figures: Figures) -> Iterator[str]:
    """Three tables: measured, computed for pods, computed for engines."""
    yield from _measured_lines(figures)
    yield ""
    yield from _computed_lines(figures)


def _measured_lines(figures: Figures) -> Iterator[str]:
    yield "Measured, CPU time of one run:"
    yield ""
    yield "| what | CPU µs / request | CPU µs / applicant | one core serves: requests/s | applicants/s | errors |"
    yield "|---|---:|---:|---:|---:|---:|"
    for cost in figures.alone:
        yield _row("one applicant" if cost.size == 1 else f"a list of {cost.size:,}", cost)
    yield _row("one applicant, two workers", figures.two_workers)
    yield _row("one applicant, two workers, with Postgres and Redis", figures.shared.cost)
    shared = figures.shared
    yield ""
    yield "| beside it, for each request of one applicant | |"
    yield "|---|---:|"
    yield f"| Postgres, CPU µs / decision | {shared.postgres_us:,.0f} |"
    yield f"| its table and indexes, bytes / decision | {shared.row_bytes:,.0f} |"
    yield f"| its write-ahead log, bytes / decision | {shared.wal_bytes:,.0f} |"
    yield f"| its connections, of a pod with two workers | {shared.connections} |"
    yield f"| Redis, CPU µs / request | {shared.redis_us:,.1f} |"
    yield f"| its commands / request, those inside its scripts included | {shared.redis_commands:,.2f} |"
    yield f"| decisions dropped | {shared.dropped:,} |"


def _computed_lines(figures: Figures) -> Iterator[str]:
    shared, each = figures.shared, figures.shared.cost
    pod = 2 * _one_core(each)
    engines = {"Postgres": shared.postgres_us, "Redis": shared.redis_us}
    yield "Computed from these, not measured; each request is one applicant, each pod has two workers and two cores:"
    yield ""
    yield "| | requests/s | Postgres: cores | Redis: cores | Postgres: GB / day | connections |"
    yield "|---|---:|---:|---:|---:|---:|"
    for label, rate, pods in (
        ("one core, alone, full", _one_core(figures.alone[0]), None),
        ("one pod, full", pod, 1),
        ("ten pods, full", 10 * pod, 10),
        *(_to_reach(rate, pod) for rate in (10_000, 100_000)),
    ):
        if pods is None:
            yield f"| {label} | {rate:,.0f} | – | – | – | – |"
            continue
        used = [rate * spent / _MICRO for spent in engines.values()]
        stored = rate * _DAY_S * shared.row_bytes / 1e9
        held = pods * shared.connections
        yield f"| {label} | {rate:,.0f} | {used[0]:,.1f} | {used[1]:,.2f} | {stored:,.0f} | {held} |"
    yield ""
    for name, spent in engines.items():
        rate = _MICRO / spent
        yield f"One core of {name} is full at {rate:,.0f} requests/s, the work of {rate / pod:,.1f} full pods."


def _to_reach(rate: int, pod: float) -> tuple[str, float, int]:
    pods = -(-rate // (pod * _BUSY))
    return f"{rate:,} requests/s: {pods:,.0f} pods, each {rate / pods / pod:.0%} busy", float(rate), int(pods)


def _row(label: str, cost: Cost) -> str:
    rate = _one_core(cost)
    return (
        f"| {label} | {cost.cpu_us:,.0f} | {cost.cpu_us / cost.size:,.1f} | {rate:,.0f} "
        f"| {rate * cost.size:,.0f} | {cost.errors} |"
    )


def _one_core(cost: Cost) -> float:
    return _MICRO / cost.cpu_us


def _complete(server: Server, **more: str) -> Server:
    """With drift sampled as it is by default, which the comparison with rivals leaves off."""
    return server.having(DRIFT_SAMPLING_RATE="0.1", **more)


def _alone(place: Place, seconds: float) -> list[Cost]:
    faces = [_complete(ours(place)), *[_complete(ours_native(place))] * (len(_SIZES) - 1)]
    return _costs(place, faces, _SIZES, 1, seconds)


def _costs(place: Place, faces: Sequence[Server], sizes: Sequence[int], workers: int, seconds: float) -> list[Cost]:
    """Loads of several sizes, by the faces of one server that is started once."""
    with running(faces[0]) as up:
        return [_cost(_by(up, face), place, size, workers, seconds) for face, size in zip(faces, sizes, strict=True)]


def _by(up: Running, face: Server) -> Running:
    """The same server by another of its faces."""
    return replace(up, server=face)


def _cost(up: Running, place: Place, size: int, workers: int, seconds: float) -> Cost:
    with bodies_of(up.server, place.subject, size) as bodies:
        check(up, place.subject, min(size, _APPLICANTS // 8))
        connections = _CONNECTIONS.get(size, CONNECTIONS)
        costed(up, bodies, _WARM_UP_S, connections)
        load, spent = costed(up, bodies, seconds, connections)
    cpu_us = sum(spent.values()) / max(1, load.requests) * _MICRO
    return Cost(workers, size, cpu_us, load.per_second, load.errors)


def _shared(place: Place, seconds: float) -> Shared:
    with postgres() as database, redis() as counts:
        # Jobs are worked on elsewhere in a cluster.
        server = _complete(ours(place, 2), DATABASE_URL=database.url, REDIS_URL=counts.url, JOB_WORKER="off")
        with running(server) as up:
            watch = _Watch(up, database, counts)
            return watch.over(lambda: _cost(up, place, 1, 2, seconds))


class _Watch:
    """What engines do while a server is loaded: from a quiet moment to the one in which all decisions are kept."""

    def __init__(self, up: Running, database: Engine, counts: Engine) -> None:
        self._up, self._database, self._counts = up, database, counts

    def over(self, loaded: Callable[[], Cost]) -> Shared:
        before = self._now()
        cost = loaded()
        dropped = self._settled()
        after = self._now()
        spent = {name: after[name] - before[name] for name in before}
        decisions, requests = max(1.0, spent["rows"]), max(1.0, spent["answers"])
        (table,) = self._ask("SELECT pg_total_relation_size('loan_default_decisions')")
        return Shared(
            cost=cost,
            postgres_us=spent["postgres_s"] / decisions * _MICRO,
            redis_us=spent["redis_s"] / requests * _MICRO,
            row_bytes=table / max(1.0, after["rows"]),
            wal_bytes=spent["wal"] / decisions,
            connections=int(after["connections"]),
            redis_commands=spent["commands"] / requests,
            dropped=int(dropped),
        )

    def _now(self) -> dict[str, float]:
        from redis import Redis

        (there,) = self._ask("SELECT to_regclass('loan_default_decisions') IS NOT NULL")
        (rows,) = self._ask("SELECT count(*) FROM loan_default_decisions") if there else (0,)
        (wal,) = self._ask("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        (open_,) = self._ask(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        client: Any = Redis.from_url(self._counts.url)
        return {
            "rows": float(rows),
            "wal": float(wal),
            "connections": float(open_),
            "commands": float(client.info("stats")["total_commands_processed"]),
            "answers": self._metric('loan_predictions_total{face="rest"}'),
            "postgres_s": self._database.cpu_s(),
            "redis_s": self._counts.cpu_s(),
        }

    def _settled(self) -> float:
        """Wait until every decision is kept or dropped; how many were dropped."""
        deadline = time.monotonic() + _WRITTEN_WITHIN_S
        while time.monotonic() < deadline:
            answers = self._metric('loan_predictions_total{face="rest"}')
            dropped = self._metric("loan_decision_log_dropped_total")
            if self._metric("loan_decision_log_written_total") + dropped >= answers:
                break
            time.sleep(0.2)
        return dropped

    def _ask(self, query: str) -> tuple[Any, ...]:
        with psycopg.connect(self._database.url) as connection:
            return connection.execute(query.encode()).fetchone() or (0,)

    def _metric(self, name: str) -> float:
        """The sum of all samples that begin like this."""
        page = urllib.request.urlopen(f"http://127.0.0.1:{self._up.port}/metrics", timeout=10)  # ours
        with page:
            samples = [line.rpartition(" ") for line in page.read().decode().splitlines() if line.startswith(name)]
        return sum(float(value) for _, _, value in samples)


def _median(costs: Sequence[Cost]) -> Cost:
    middle = statistics.median(cost.cpu_us for cost in costs)
    rate = statistics.median(cost.per_second for cost in costs)
    return replace(costs[0], cpu_us=middle, per_second=rate, errors=max(cost.errors for cost in costs))


def _median_of(rounds: Sequence[Shared]) -> Shared:
    figures = ("postgres_us", "redis_us", "row_bytes", "wal_bytes", "redis_commands")
    middles = {name: statistics.median(getattr(each, name) for each in rounds) for name in figures}
    return replace(
        rounds[-1],
        **middles,
        cost=_median([each.cost for each in rounds]),
        dropped=max(each.dropped for each in rounds),
        connections=max(each.connections for each in rounds),
    )


if __name__ == "__main__":
    typer.run(main)
