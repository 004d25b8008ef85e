"""What the drift monitor is tried on: a model, applicants like those that it was trained on, and others.

`drift_power.py` counts how often each shift is seen, `drift_hour.py` plays them one after another; tests do both in
short.
"""
# ruff: noqa: INP001

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from loan_default.drift_link.messages import Batch, Introduction
from loan_default.model import About, LoanModel
from loan_default.reference import PD, Reference
from loan_default.schema import Schema
from loan_default.training.data import Dataset
from loan_default.training.fit import FitOptions, fit_decision
from loan_default.training.split import HOLDOUT_SHARE, holdout_mask

Rows = NDArray[np.float64]
TAG = "loan_default:1-simulated"


@dataclass(frozen=True)
class Shift:
    """One way in which applicants change.

    Attributes:
        name: in a few words.
        seen_in: the feature that changes, in which it must be seen.
        follows: what else may drift with it: derived features, the PD.
        change: changes applicants in place: rows of (employed, balance, salary).
    """

    name: str
    seen_in: str
    follows: frozenset[str]
    change: Callable[[Rows, np.random.Generator], None]


class Simulation:
    """The default model with its reference, as training leaves it, and applicants to draw from."""

    def __init__(self, data: Dataset, schema: Schema) -> None:
        """Train on all rows of `data` but the held-out ones, which give the PD's reference."""
        held_out = holdout_mask(data, HOLDOUT_SHARE)
        train = data.rows(~held_out)
        fitted = fit_decision(train, schema, FitOptions())
        about = About(
            run_id="0" * 32,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            model_type="simulated",
            package_version="0",
            data_sha256="0" * 64,
            seed=42,
            metrics={},
        )
        model = LoanModel.assemble(fitted.schema, fitted.booster, fitted.decision, about)
        features = model.features.matrix(train.applicants)
        pds = model.pd(data.applicants[held_out])
        self.model = replace(model, reference=Reference.of(model.schema, features, pds))
        self.everybody = data.applicants

    def applicants(self, count: int, generator: np.random.Generator, shift: Shift | None = None) -> Rows:
        """So many applicants, drawn with replacement, then changed by `shift`."""
        rows = self.everybody[generator.integers(0, len(self.everybody), count)]
        if shift is not None:
            shift.change(rows, generator)
        return rows

    def batch(self, rows: Rows) -> Batch:
        """What an online worker would tell the monitor of them."""
        features = self.model.features.matrix(rows)
        return Batch.of(features, self.model.pd_of_features(features), tag=TAG)

    def introduction(self) -> Introduction:
        """What an online worker would tell the monitor of the model."""
        schema = self.model.schema
        return Introduction(
            tag=TAG,
            version="1",
            features=schema.feature_names,
            nominal=[kind == "c" for kind in schema.feature_types],
            reference=self.model.reference,
            words=schema.words,
        )


def employed(share: float) -> Shift:
    """Such a share of the applicants is employed, whoever they are."""

    def change(rows: Rows, generator: np.random.Generator) -> None:
        rows[:, 0] = generator.random(len(rows)) < share

    return Shift(f"employed from 70 to {share:.0%}", "employed", frozenset({PD}), change)


def balance(by: float) -> Shift:
    """Every balance is so many times what it was."""

    def change(rows: Rows, _: np.random.Generator) -> None:
        rows[:, 1] *= by

    return Shift(f"balance {by - 1:+.0%}", "bank_balance", frozenset({"saving_rate", PD}), change)


def outlier(deviations: float) -> Shift:
    """Balances move by so many standard deviations, and one of them is a billion."""

    def change(rows: Rows, _: np.random.Generator) -> None:
        rows[:, 1] += deviations * 5_804  # of the default data
        rows[0, 1] = 1e9

    return Shift(
        f"balance + {deviations:g} standard deviation, one of 1e9",
        "bank_balance",
        frozenset({"saving_rate", PD}),
        change,
    )


def missing(share: float) -> Shift:
    """Such a share of the applicants has no salary."""

    def change(rows: Rows, generator: np.random.Generator) -> None:
        rows[generator.random(len(rows)) < share, 2] = np.nan

    return Shift(f"{share:.0%} of the salaries missing", "annual_salary", frozenset({"saving_rate", PD}), change)


def unseen(share: float) -> Shift:
    """Such a share of the applicants has a code that training never saw."""

    def change(rows: Rows, generator: np.random.Generator) -> None:
        rows[generator.random(len(rows)) < share, 0] = 2

    return Shift(f"{share:.0%} of unseen values of employed", "employed", frozenset({PD}), change)


def salary(by: float, name: str) -> Shift:
    """Every salary is so many times what it was."""

    def change(rows: Rows, _: np.random.Generator) -> None:
        rows[:, 2] *= by

    return Shift(name, "annual_salary", frozenset({"saving_rate", PD}), change)


# What must be seen in a window of a thousand.
SHIFTS = (
    employed(0.4),
    balance(1.4),
    outlier(1),
    missing(0.1),
    unseen(0.1),
    salary(1 / 12, "salary a month instead of a year"),
)
# What is near the threshold, or below.
SMALL_SHIFTS = (
    employed(0.6),
    employed(0.55),
    employed(0.5),
    balance(1.1),
    balance(1.2),
    balance(1.25),
    balance(1.3),
    salary(1.1, "salary +10%"),
    salary(1.2, "salary +20%"),
    missing(0.02),
    missing(0.03),
    missing(0.05),
    unseen(0.03),
)
