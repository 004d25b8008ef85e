"""How well the monitor tells drift from chance: by simulation, with the real monitor, checked ten times a window."""

from pathlib import Path

import numpy as np
import pytest
from samples import TAG, batch, drawn, introduction

from benchmarks.drift_power import never_met
from benchmarks.shifts import SHIFTS, Shift, Simulation
from drift.monitor import Monitor
from loan_default.model import LoanModel
from loan_default.schema import Schema
from loan_default.settings import Settings
from loan_default.training.data import Dataset

pytestmark = pytest.mark.slow

CHECKS = 10


def monitor_of(model: LoanModel, state: Path, size: int) -> Monitor:
    settings = Settings(_env_file=None, state_dir=state, drift_window_size=size, drift_min_samples=min(size, 200))
    monitor = Monitor(settings, 0.0)
    monitor.introduce(introduction(model), 0.0)
    return monitor


@pytest.mark.parametrize(("size", "windows"), [(100, 200), (500, 100), (1_000, 100), (10_000, 20)])
def test_at_most_two_in_a_hundred_quiet_windows_raise_an_alarm(
    loan_model: LoanModel, dataset: Dataset, tmp_path: Path, size: int, windows: int
) -> None:
    monitor = monitor_of(loan_model, tmp_path, size)
    raised, before = 0, False
    for turn in range(windows * CHECKS):
        monitor.take(batch(loan_model, drawn(dataset.applicants, size // CHECKS, turn)), float(turn))
        monitor.check(float(turn))
        found = monitor.verdict().drift_detected
        raised += found and not before
        before = found
    monitor.close()
    assert raised <= 0.02 * windows


@pytest.fixture(scope="module")
def simulation(dataset: Dataset, schema: Schema) -> Simulation:
    return Simulation(dataset, schema)


@pytest.mark.parametrize("shift", SHIFTS, ids=lambda shift: shift.name)
def test_a_window_of_a_thousand_with_a_shift_that_matters_raises_its_alarm(
    simulation: Simulation, tmp_path: Path, shift: Shift
) -> None:
    seen, windows = 0, 100
    monitor = monitor_of(simulation.model, tmp_path, 1_000)
    for turn in range(windows):
        # Each a model of its own: a window that knows nothing of those before.
        tag = f"{TAG}-{turn}"
        monitor.introduce(introduction(simulation.model, tag), float(turn))
        rows = simulation.applicants(1_000, np.random.default_rng(turn), shift)
        monitor.take(batch(simulation.model, rows, tag), float(turn))
        monitor.check(float(turn))
        verdict = monitor.verdict()
        assert verdict.model_tag == tag
        seen += verdict.columns[shift.seen_in].drifted
    monitor.close()
    assert seen >= 0.99 * windows


@pytest.mark.parametrize("size", [100, 500, 1_000])
def test_applicants_that_the_reference_never_met_are_no_drift(simulation: Simulation, size: int) -> None:
    """One look at each window; at 100 samples an alarm needs a second one."""
    looks = [any(one.drifted for one in found.values()) for found in never_met(simulation, size, 300)]
    assert sum(looks) <= (0.05 if size == 100 else 0.01) * len(looks)
