"""How the training rows are spread: what a validator looks at before any figure.

Quantiles rather than extremes, which would show single applicants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_default.features import Features
from loan_default.schema import Column, Schema
from loan_default.schema.columns import NumberColumn
from loan_default.training.data import Dataset
from loan_default.training.slices import OTHERS

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
_MOST_CHOICES = 12


@dataclass(frozen=True)
class Numbers:
    """A number's spread: the share of rows without it, and its `QUANTILES` over the others (empty without any)."""

    missing: float
    quantiles: Sequence[float]


@dataclass(frozen=True)
class Choices:
    """A category's or boolean's: the share of rows without it, and what share of the others has each, largest first."""

    missing: float
    shares: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Population:
    """Every column's spread by its name, and that of the derived features, which are numbers."""

    numbers: Mapping[str, Numbers]
    choices: Mapping[str, Choices]


def population(data: Dataset, schema: Schema) -> Population:
    """Describe the rows of `data`, at least one."""
    features = dict(zip(schema.feature_names, Features(schema).values(data.applicants).T, strict=True))
    choices = {
        column.name: _choices(column, features.pop(column.name))
        for column in schema.columns
        if not isinstance(column, NumberColumn)
    }
    return Population({name: _numbers(values) for name, values in features.items()}, choices)


def _numbers(values: NDArray[np.float64]) -> Numbers:
    known = values[~np.isnan(values)]
    quantiles = [float(value) for value in np.quantile(known, QUANTILES)] if len(known) else []
    return Numbers(1 - len(known) / len(values), quantiles)


def _choices(column: Column, values: NDArray[np.float64]) -> Choices:
    known = values[~np.isnan(values)]
    found, counts = np.unique(known, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shares = [(str(column.shown(float(found[i]))), float(counts[i] / len(known))) for i in order[:_MOST_CHOICES]]
    rest = int(counts[order[_MOST_CHOICES:]].sum())
    more = [(OTHERS, rest / len(known))] if rest else []
    return Choices(1 - len(known) / len(values), shares + more)
