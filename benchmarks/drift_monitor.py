"""What the drift monitor sees, how soon, how often wrongly, and what it costs; the figures of docs/drift.md.

    python -m benchmarks.drift_monitor [alarms | shifts | speed | soak | sampling]

The default model is trained on all but the held-out rows. Samples are drawn with replacement from all rows of the data,
changed or not, and handed to the real monitor, which checks several times for each window of samples. `soak` feeds ten
million samples, a day's worth of a busy lender, and watches the memory of the process; `sampling` says what online
scoring pays for being watched.
"""
# ruff: noqa: INP001, T201  # a script that prints what it measured

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from loguru import logger

from benchmarks.environments import CACHE
from benchmarks.online.measure import bodies_of, costed, warm_up
from benchmarks.online.running import running
from benchmarks.online.servers import Place, ours
from benchmarks.online.subject import subject
from benchmarks.shifts import SHIFTS, Shift, Simulation, balance
from drift.monitor import Monitor
from loan_default.drift_link.messages import MOST_ROWS, Batch
from loan_default.schema import DEFAULT_SCHEMA, load_schema
from loan_default.settings import Settings
from loan_default.training.data import read_dataset

DATA = Path(__file__).resolve().parent.parent / "data" / "Default_Fin.csv"
CHECKS_PER_WINDOW = 10
SIZES = (100, 200, 500, 1_000, 10_000)
SOAKED = 10_000_000
SETTLED_S = 6  # the monitor is still starting when the server beside it is ready


def _samples(simulation: Simulation, count: int, generator: np.random.Generator, shift: Shift | None = None) -> Batch:
    return simulation.batch(simulation.applicants(count, generator, shift))


@contextmanager
def monitor_of(simulation: Simulation, size: int) -> Iterator[Monitor]:
    """A monitor that knows the simulated model."""
    with tempfile.TemporaryDirectory() as state:
        settings = Settings(
            _env_file=None, state_dir=Path(state), drift_window_size=size, drift_min_samples=min(size, 200)
        )
        monitor = Monitor(settings, 0.0)
        monitor.introduce(simulation.introduction(), 0.0)
        yield monitor
        monitor.close()


def alarms(simulation: Simulation) -> None:
    """Quiet windows: how often an alarm is raised, and for how much of the time one is on."""
    print("| window | windows of quiet samples | over both limits | alarms | in alarm |\n|---|---|---|---|---|")
    for size in SIZES:
        windows = max(20, min(500, 400_000 // size))
        generator = np.random.default_rng(size)
        over, raised, on, checks, before = 0, 0, 0, 0, False
        with monitor_of(simulation, size) as monitor:
            for turn in range(windows * CHECKS_PER_WINDOW):
                monitor.take(_samples(simulation, size // CHECKS_PER_WINDOW, generator), float(turn))
                if monitor.check(float(turn)) is None:
                    continue
                verdict = monitor.verdict()
                checks += 1
                over += any(column.over for column in verdict.columns.values())
                raised += verdict.drift_detected and not before
                on += verdict.drift_detected
                before = verdict.drift_detected
        shares = [over / checks, raised / windows, on / checks]
        print(f"| {size:,} | {windows} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |", flush=True)


def shifts(simulation: Simulation) -> None:
    """After a full quiet window each shift comes and stays: how soon it is seen, in samples."""
    print("| shift | seen in | window 500: seen, samples until then | window 1,000 |\n|---|---|---|---|")
    for shift in (balance(1.1), balance(1.25), *SHIFTS):
        cells = []
        for size in (500, 1_000):
            found = [_delay(simulation, size, shift, seed) for seed in range(40)]
            seen = [delay for delay in found if delay is not None]
            middle = f"{np.median(seen):,.0f} ({np.quantile(seen, 0.95):,.0f})" if seen else "–"
            cells.append(f"{100 * len(seen) / len(found):.0f} %, {middle}")
        print(f"| {shift.name} | {shift.seen_in} | {' | '.join(cells)} |", flush=True)


def _delay(simulation: Simulation, size: int, shift: Shift, seed: int) -> int | None:
    """Samples until the alarm; None when there is none within two windows."""
    generator = np.random.default_rng(seed)
    step = size // CHECKS_PER_WINDOW
    with monitor_of(simulation, size) as monitor:
        monitor.take(_samples(simulation, size, generator), 0.0)
        monitor.check(0.5)
        for turn in range(1, 2 * CHECKS_PER_WINDOW + 1):
            monitor.take(_samples(simulation, step, generator, shift), float(turn))
            monitor.check(turn + 0.5)
            if monitor.verdict().columns[shift.seen_in].drifted:
                return turn * step
    return None


def speed(simulation: Simulation) -> None:
    """A check, taking samples, and Evidently's report, with a window of 10,000 samples and five columns."""
    from drift.evidently_report import evidently_report

    generator = np.random.default_rng(1)
    batch = _samples(simulation, MOST_ROWS, generator)
    with monitor_of(simulation, MOST_ROWS) as monitor:
        taking = _milliseconds(lambda: monitor.take(batch, 1.0))
        checking = _milliseconds(lambda: monitor.check(2.0))
        assert monitor.current is not None  # noqa: S101  # it was introduced
        window, reference = monitor.current.compared()
        reporting = _milliseconds(lambda: evidently_report(window, reference, 0.15))
    print(f"10,000 samples of 5 columns: taken in {taking:.0f} ms, checked in {checking:.0f} ms,")
    print(f"Evidently's report of them {reporting:.0f} ms")


def _milliseconds(call: Callable[[], object], times: int = 20) -> float:
    """The median of some calls, after one to warm up."""
    call()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return float(np.median(spent)) * 1000


def soak(simulation: Simulation) -> None:
    """Ten million samples, a check every ten thousand; memory along the way."""
    process = psutil.Process()
    generator = np.random.default_rng(2)
    batches = [_samples(simulation, MOST_ROWS, generator) for _ in range(20)]
    started = time.perf_counter()
    with monitor_of(simulation, 1_000) as monitor:
        for turn in range(SOAKED // MOST_ROWS):
            monitor.take(batches[turn % len(batches)], float(turn))
            monitor.check(float(turn))
            if turn % 100 == 99:
                mib = process.memory_info().rss / 2**20
                print(f"{(turn + 1) * MOST_ROWS:>12,} samples, {mib:.0f} MiB", flush=True)
    print(f"{SOAKED:,} samples and {SOAKED // MOST_ROWS:,} checks in {time.perf_counter() - started:.0f} s")


def sampling(_: Simulation) -> None:
    """Online scoring at full load, one worker, in turns; needs wrk. CPU of all processes, the monitor too."""
    rates = ("0", "0.1")
    place = Place(subject(CACHE, 1000), None)
    spent: dict[str, list[float]] = {rate: [] for rate in rates}
    for _turn in range(3):
        for rate in rates:
            watched = ours(place).having(DRIFT_SAMPLING_RATE=rate, JOB_WORKER="off")
            with running(watched) as up, bodies_of(watched, place.subject, 1) as bodies:
                time.sleep(SETTLED_S)
                warm_up(up, bodies)
                full, cpu_s = costed(up, bodies, seconds=8)
            spent[rate].append(sum(cpu_s.values()) / full.requests * 1e6)
    print("| sampling rate | CPU µs / request |\n|---|---|")
    for rate, found in spent.items():
        print(f"| {rate} | {np.median(found):.1f} ({min(found):.1f}–{max(found):.1f}) |")


PARTS = {"alarms": alarms, "shifts": shifts, "speed": speed, "soak": soak, "sampling": sampling}

if __name__ == "__main__":
    logger.remove()  # of verdicts that change there are many
    chosen = sys.argv[1:] or list(PARTS)
    schema = load_schema(DEFAULT_SCHEMA)
    simulated = Simulation(read_dataset(DATA, schema), schema)
    for part in chosen:
        print(f"\n{PARTS[part].__doc__}\n")
        PARTS[part](simulated)
