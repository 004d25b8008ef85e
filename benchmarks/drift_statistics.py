"""How often drift is seen where there is none, and where there is some; the figures of docs/drift-statistics.md.

    python benchmarks/drift_statistics.py

The default model is trained on all but the held-out rows. A window is drawn with replacement from all rows of the data,
then changed or left as it is; an alarm is one of any feature or of the PD.
"""
# ruff: noqa: INP001, T201  # a script that prints what it measured

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loan_default.features import Features
from loan_default.psi import SMALLEST_SHARE, Drift
from loan_default.reference import PD, PopulationWatch, Reference
from loan_default.schema import DEFAULT_SCHEMA, load_schema
from loan_default.settings import Settings
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.fit import FitOptions, Fitted, fit_decision
from loan_default.training.split import HOLDOUT_SHARE, holdout_mask

DATA = Path(__file__).resolve().parent.parent / "data" / "Default_Fin.csv"
WINDOWS = 2_000
SHIFTED_WINDOWS = 200
SIZES = (50, 100, 200, 500, 1_000, 2_000, 8_000)
THRESHOLD = float(Settings.model_fields["drift_psi_threshold"].default)

Rows = NDArray[np.float64]
Change = Callable[[Rows, np.random.Generator], None]


def main() -> None:
    """Print both tables."""
    schema = load_schema(DEFAULT_SCHEMA)
    data = read_dataset(DATA, schema)
    held_out = holdout_mask(data, HOLDOUT_SHARE)
    fitted = fit_decision(data.rows(~held_out), schema, FitOptions())
    features = Features(schema).matrix(data.applicants[~held_out])
    reference = Reference.of(schema, features, fitted.pd(data.applicants[held_out]))
    bench = _Bench(data, fitted, reference)
    print(f"Quiet windows with an alarm, of {WINDOWS:,}:\n")
    print("| rows | PSI over the threshold | over the critical value | over both | over both, empty bins as 0.0001 |")
    print("|---|---|---|---|---|")
    for size in SIZES:
        bench.quiet(size)
    print(f"\nChanged windows, mean of {SHIFTED_WINDOWS}:\n")
    print("| change | seen in | PSI | rows with an alarm: 100 | 500 | 1,000 |")
    print("|---|---|---|---|---|---|")
    for name, (watched, change) in CHANGES.items():
        bench.changed(name, watched, change)


class _Bench:
    def __init__(self, data: Dataset, fitted: Fitted, reference: Reference) -> None:
        self._data, self._fitted, self._reference = data, fitted, reference
        self._watch = PopulationWatch(reference, THRESHOLD)
        self._features = Features(fitted.schema)

    def quiet(self, size: int) -> None:
        alarms = np.zeros(4)
        generator = np.random.default_rng(size)
        for _ in range(WINDOWS):
            counts = self._counts(self._drawn(size, generator))
            found = self._watch.drift(counts)
            plain = [self._plain_psi(name, counts[name]) for name in found]
            alarms += [
                any(each.psi > THRESHOLD for each in found.values()),
                any(each.psi > each.critical for each in found.values()),
                any(each.drifted for each in found.values()),
                any(value > max(THRESHOLD, each.critical) for value, each in zip(plain, found.values(), strict=True)),
            ]
        print(f"| {size:,} | {' | '.join(f'{100 * share:.1f} %' for share in alarms / WINDOWS)} |")

    def changed(self, name: str, watched: str, change: Change) -> None:
        seen, last = [], [Drift(psi=0, critical=0, drifted=False)]
        for size in (100, 500, 1_000):
            generator = np.random.default_rng(size)
            last = []
            for _ in range(SHIFTED_WINDOWS):
                rows = self._drawn(size, generator)
                change(rows, generator)
                last.append(self._watch.drift(self._counts(rows))[watched])
            seen.append(sum(each.drifted for each in last) / SHIFTED_WINDOWS)
        mean = sum(each.psi for each in last) / SHIFTED_WINDOWS
        print(f"| {name} | {watched} | {mean:.3g} | {' | '.join(f'{100 * share:.0f} %' for share in seen)} |")

    def _drawn(self, size: int, generator: np.random.Generator) -> Rows:
        return self._data.applicants[generator.integers(0, len(self._data), size)]

    def _counts(self, rows: Rows) -> dict[str, list[int]]:
        return self._watch.counts(self._features.matrix(rows), self._fitted.pd(rows))

    def _plain_psi(self, name: str, counts: list[int]) -> float:
        bins = self._reference.pd if name == PD else self._reference.features[name]
        a, b = (np.maximum(each / each.sum(), SMALLEST_SHARE) for each in (np.array(counts), bins.reference))
        return float(((a - b) * np.log(a / b)).sum())


def _scaled(column: int, by: float) -> Change:
    def change(rows: Rows, _: np.random.Generator) -> None:
        rows[:, column] *= by

    return change


def _fewer_employed(rows: Rows, generator: np.random.Generator) -> None:
    rows[:, 0] = generator.random(len(rows)) < 0.4


def _outlier(rows: Rows, _: np.random.Generator) -> None:
    rows[:, 1] += rows[:, 1].std()
    rows[0, 1] = 1e6


CHANGES: dict[str, tuple[str, Change]] = {
    "balance + 25 %": ("bank_balance", _scaled(1, 1.25)),
    "the PD, balance + 25 %": (PD, _scaled(1, 1.25)),
    "balance + 1 standard deviation, one of 1,000,000": ("bank_balance", _outlier),
    "employed from 70 to 40 %": ("employed", _fewer_employed),
    "salary a month instead of a year": ("annual_salary", _scaled(2, 1 / 12)),
}


if __name__ == "__main__":
    main()
