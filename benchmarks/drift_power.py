"""How large a window a shift needs to be seen, and how often a window of nothing new is alarmed; for docs/drift.md.

    python -m benchmarks.drift_power

One look at each full window, with the limits that the monitor has. Applicants are drawn from the default data with
replacement. Of quiet windows there is a second kind, `never met`: the data are split at random again and again, and
windows drawn without replacement from rows that the reference does not hold.
"""
# ruff: noqa: INP001, T201  # a script that prints what it measured

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.shifts import SHIFTS, SMALL_SHIFTS, Shift, Simulation
from loan_default.psi import Drift
from loan_default.reference import PopulationWatch, Reference
from loan_default.schema import DEFAULT_SCHEMA, load_schema
from loan_default.settings import Settings
from loan_default.training.data import read_dataset

DATA = Path(__file__).resolve().parent.parent / "data" / "Default_Fin.csv"
SIZES = (100, 200, 500, 1_000, 2_000, 10_000)
# Windows of each size; fewer of the largest, which take longest and vary least.
WINDOWS = 500
QUIET_WINDOWS = 2_000
LARGE, FEWER = 10_000, 5
THRESHOLD = float(Settings.model_fields["drift_psi_threshold"].default)
# Rows of a random split that become the reference, and those of them that the PD has.
_REFERENCE, _PD_REFERENCE = 8_000, 2_000


def looks(
    simulation: Simulation, size: int, windows: int, shift: Shift | None = None, threshold: float = THRESHOLD
) -> Iterator[dict[str, Drift]]:
    """What is found in so many windows of `size` samples, with the model's own reference; the size is the seed."""
    watch = simulation.model.population_watch(threshold)
    assert watch is not None  # noqa: S101  # the simulation gives it a reference
    generator = np.random.default_rng(size)
    for _ in range(windows // FEWER if size >= LARGE else windows):
        features = simulation.model.features.matrix(simulation.applicants(size, generator, shift))
        yield watch.drift(watch.counts(features, simulation.model.pd_of_features(features)))


def never_met(simulation: Simulation, size: int, windows: int) -> Iterator[dict[str, Drift]]:
    """The same of quiet windows that share no row with the reference; at most 2,000 samples."""
    schema = simulation.model.schema
    features = simulation.model.features.matrix(simulation.everybody)
    pds = simulation.model.pd_of_features(features)
    generator = np.random.default_rng(size)
    for _ in range(windows):
        order = generator.permutation(len(pds))
        known, new = order[:_REFERENCE], order[_REFERENCE : _REFERENCE + size]
        watch = PopulationWatch(Reference.of(schema, features[known], pds[known[:_PD_REFERENCE]]), THRESHOLD)
        yield watch.drift(watch.counts(features[new], pds[new]))


def main() -> None:
    """Print both tables."""
    schema = load_schema(DEFAULT_SCHEMA)
    simulation = Simulation(read_dataset(DATA, schema), schema)
    heads = " | ".join(f"{size:,}" for size in SIZES)
    print(f"| quiet windows of | {heads} |\n|---|{'---|' * len(SIZES)}")
    cells = [_alarmed(looks(simulation, size, QUIET_WINDOWS)) for size in SIZES]
    print(f"| the same rows as the reference | {' | '.join(cells)} |")
    fitting = len(simulation.everybody) - _REFERENCE
    cells = [_alarmed(never_met(simulation, n, QUIET_WINDOWS)) if n <= fitting else "–" for n in SIZES]
    print(f"| rows that it never met | {' | '.join(cells)} |")
    print(f"\n| shift | in | PSI | {heads} |\n|---|---|---|{'---|' * len(SIZES)}")
    for shift in (*SHIFTS, *SMALL_SHIFTS):
        _print(simulation, shift, SIZES)


def _print(simulation: Simulation, shift: Shift, sizes: Sequence[int]) -> None:
    cells, psi = [], 0.0
    for size in sizes:
        found = [each[shift.seen_in] for each in looks(simulation, size, WINDOWS, shift)]
        psi = float(np.mean([each.psi for each in found]))
        cells.append(f"{100 * np.mean([each.drifted for each in found]):.0f} %")
    print(f"| {shift.name} | {shift.seen_in} | {psi:.3g} | {' | '.join(cells)} |", flush=True)


def _alarmed(found: Iterator[dict[str, Drift]]) -> str:
    return f"{100 * np.mean([any(one.drifted for one in each.values()) for each in found]):.2f} %"


if __name__ == "__main__":
    main()
