"""What recording decisions costs.

    python benchmarks/decision_log.py [DATABASE_URL]

Needs a promoted model (`make train`). Prints CPU time of the whole process for each record, because that is what a
server pays; the rates show how far it is from its limit. Writes into a temporary folder.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer

from loan_default.decision_log import Decided, DecisionLog, new_decision_id, open_decision_log
from loan_default.metrics import DECISIONS_WRITTEN
from loan_default.model import LoanModel
from loan_default.schema.applicant import Encoder
from loan_default.served import Served, pointed
from loan_default.settings import Settings, read_settings

RECORDS = 40_000
CALLS_PER_CALLER = 200


@dataclass(frozen=True)
class Answering:
    """The promoted model."""

    served: Served
    model: LoanModel


def main() -> None:
    """Measure and print."""
    served = pointed(read_settings(), "production")
    answering = Answering(served, LoanModel.load(served.model_folder))
    approved, declined = decision(answering, pd=0.0), decision(answering, pd=1.0)
    url = sys.argv[1] if len(sys.argv) > 1 else None
    typer.echo(f"{'a name and handing over':40}{micros(lambda: handed_over(approved)):8.2f} µs")
    with tempfile.TemporaryDirectory() as state:
        log = open_decision_log(Settings(_env_file=None, state_dir=Path(state), database_url=url))
        best_effort("approved, best effort", log, [approved])
        best_effort("declined, with reasons, best effort", log, [declined])
        best_effort("one of 20 declined, best effort", log, [approved] * 19 + [declined])
        for callers in (1, 32):
            asyncio.run(required(f"approved, required, {callers} callers", log, approved, callers))
        log.close()


def decision(answering: Answering, pd: float) -> Decided:
    """A decision on the declaration's example applicant."""
    schema = answering.model.schema
    row = Encoder(schema).table([[value] for value in schema.example.values()])
    features = answering.model.features.values(np.asarray(row))[0].tolist()
    return Decided(new_decision_id(), time.time(), "r" * 32, "key", "", "rest", pd, features, answering)


def handed_over(one: Decided) -> Decided:
    """What the hot path pays beside the append itself."""
    return Decided(new_decision_id(), time.time(), *one[2:])


def micros(call: Callable[[], object], n: int = 100_000) -> float:
    """CPU time of a call in microseconds."""
    started = time.process_time()
    for _ in range(n):
        call()
    return (time.process_time() - started) / n * 1e6


def best_effort(label: str, log: DecisionLog, pattern: list[Decided]) -> None:
    """Append many, and wait until they are written."""
    batch = [handed_over(one) for one in pattern * (RECORDS // len(pattern))]
    enough = written() + len(batch)
    cpu, wall = time.process_time(), time.perf_counter()
    for one in batch:
        log.append(one)
    while written() < enough:
        time.sleep(0.01)
    report(label, len(batch), time.process_time() - cpu, time.perf_counter() - wall)


async def required(label: str, log: DecisionLog, one: Decided, callers: int) -> None:
    """Callers that each wait for one record after the other."""

    async def caller() -> None:
        for _ in range(CALLS_PER_CALLER):
            await log.append_required([handed_over(one)])

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*[caller() for _ in range(callers)])
    seconds = time.perf_counter() - wall
    report(label, callers * CALLS_PER_CALLER, time.process_time() - cpu, seconds)
    typer.echo(f"{'':40}{seconds / CALLS_PER_CALLER * 1e3:8.2f} ms to wait")


def report(label: str, n: int, cpu_s: float, wall_s: float) -> None:
    """One line of the table."""
    typer.echo(f"{label:40}{cpu_s / n * 1e6:8.2f} µs{n / wall_s:12,.0f} records/s")


def written() -> float:
    """How many records this process has written."""
    samples = [sample for metric in DECISIONS_WRITTEN.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


if __name__ == "__main__":
    main()
