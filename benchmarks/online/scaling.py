"""Throughput of several workers over one, with all keep-alive connections opened together."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median

from benchmarks.online.measure import bodies_of, check, costed
from benchmarks.online.quota import held
from benchmarks.online.running import running
from benchmarks.online.servers import Place, ours

# A process with less of the CPU than this answers nobody: it supervises.
_WORKS = 0.02


@dataclass(frozen=True)
class Scaled:
    """One round.

    Attributes:
        per_second: requests answered a second.
        cpu_us: CPU for one request.
        shares: of the server's CPU, of each process that did some of it, the largest first.
        generator: how much of one core the load generator took.
    """

    per_second: float
    cpu_us: float
    shares: tuple[float, ...]
    generator: float
    errors: int


def scale(place: Place, workers: int, rounds: int, seconds: float, share: float) -> dict[int, list[Scaled]]:
    """Rounds with one worker and with `workers`, in turns; the server is started anew each time.

    Args:
        share: of one core, what each worker may use; 1 = all of it. Less leaves some of a small machine to wrk.
    """
    counts = (1, workers)
    scaled: dict[int, list[Scaled]] = {count: [] for count in counts}
    for _ in range(rounds):
        for count in counts:
            scaled[count].append(_round(place, count, seconds, share))
    return scaled


def lines(scaled: dict[int, list[Scaled]]) -> Iterator[str]:
    """The Markdown table; each round's shares are shown, because the kernel deals connections by chance."""
    yield "| workers | requests/s (range) | × one worker | CPU µs / request | share of each, by round | wrk, cores |"
    yield "|---:|---:|---:|---:|---|---:|"
    one = median(of_round.per_second for of_round in scaled[1])
    for count, rounds in scaled.items():
        rates = [of_round.per_second for of_round in rounds]
        shares = "; ".join(" + ".join(f"{share:.0%}" for share in of_round.shares) for of_round in rounds)
        generator = median(of_round.generator for of_round in rounds)
        cpu_us = median(of_round.cpu_us for of_round in rounds)
        yield (
            f"| {count} | {median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f}) | {median(rates) / one:.2f} "
            f"| {cpu_us:,.0f} | {shares} | {generator:.2f} |"
        )


def shares(cpu_s: Sequence[float]) -> tuple[float, ...]:
    """Of the CPU seconds of some processes, what share each of those had that did work; the largest first."""
    total = sum(cpu_s)
    return tuple(sorted((used / total for used in cpu_s if total and used / total >= _WORKS), reverse=True))


def _round(place: Place, workers: int, seconds: float, share: float) -> Scaled:
    # A job worker starts later than those who answer, and would be taken for one of them.
    server = ours(place, workers).having(JOB_WORKER="off")
    with running(server) as up, bodies_of(server, place.subject, 1) as bodies:
        check(up, place.subject)
        _, warming = costed(up, bodies, 2)
        busiest = sorted(warming, key=warming.__getitem__)[-workers:]
        with held(busiest, share) if share < 1 else nullcontext():
            load, spent = costed(up, bodies, seconds)
    return Scaled(
        per_second=load.per_second,
        cpu_us=sum(spent.values()) / max(1, load.requests) * 1e6,
        shares=shares(list(spent.values())),
        generator=load.generator_cpu_s / (load.duration_us / 1e6),
        errors=load.errors,
    )
