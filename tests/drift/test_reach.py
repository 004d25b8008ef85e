"""How well the monitor tells drift from chance: by simulation, with the real monitor, checked ten times a window."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from samples import TAG, batch, drawn, introduction

from drift.monitor import Monitor
from loan_default.drift_link.messages import Batch
from loan_default.model import LoanModel
from loan_default.settings import Settings
from loan_default.training.data import Dataset

pytestmark = pytest.mark.slow

Features = NDArray[np.float32]
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


def fewer_employed(features: Features, generator: np.random.Generator) -> None:
    features[:, 0] = generator.random(len(features)) < 0.4


def richer(features: Features, _: np.random.Generator) -> None:
    features[:, 1] *= 1.4


def outlier_and_a_standard_deviation(features: Features, _: np.random.Generator) -> None:
    features[:, 1] += features[:, 1].std()
    features[0, 1] = 1e9


def missing(features: Features, generator: np.random.Generator) -> None:
    features[generator.random(len(features)) < 0.1, 2] = np.nan


def unseen(features: Features, generator: np.random.Generator) -> None:
    features[generator.random(len(features)) < 0.1, 0] = 7


def monthly_salary(features: Features, _: np.random.Generator) -> None:
    features[:, 2] /= 12


@pytest.mark.parametrize(
    ("column", "shift"),
    [
        ("employed", fewer_employed),
        ("bank_balance", richer),
        ("bank_balance", outlier_and_a_standard_deviation),
        ("annual_salary", missing),
        ("employed", unseen),
        ("annual_salary", monthly_salary),
    ],
)
def test_a_window_of_a_thousand_with_a_shift_that_matters_raises_its_alarm(
    loan_model: LoanModel,
    dataset: Dataset,
    tmp_path: Path,
    column: str,
    shift: Callable[[Features, np.random.Generator], None],
) -> None:
    seen, windows = 0, 100
    monitor = monitor_of(loan_model, tmp_path, 1_000)
    for turn in range(windows):
        # Each a model of its own: a window that knows nothing of those before.
        tag = f"{TAG}-{turn}"
        monitor.introduce(introduction(loan_model, tag), float(turn))
        rows = drawn(dataset.applicants, 1_000, turn)
        features = loan_model.features.matrix(rows)
        shift(features, np.random.default_rng(turn))
        monitor.take(Batch.of(tag, features, loan_model.pd(rows)), float(turn))
        monitor.check(float(turn))
        verdict = monitor.verdict()
        assert verdict.model_tag == tag
        seen += verdict.columns[column].drifted
    monitor.close()
    assert seen >= 0.99 * windows
