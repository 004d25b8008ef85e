"""How the model treats groups: its figures sliced by segments, and by audit columns, which it never sees.

A slice compares groups by what happened (defaults), what was predicted (mean PD) and what was decided (declined).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from loan_default.schema import Schema
from loan_default.schema.declaration import AuditColumn
from loan_default.training.data import Dataset
from loan_default.training.evaluate import Predictions

# A free-text column would make a table nobody reads: the smallest groups are taken together.
_MOST_GROUPS = 20
OTHERS = "all others"
# Of the largest group's share of approvals; below it many supervisors look closer (29 CFR 1607.4 D).
FOUR_FIFTHS = 0.8


@dataclass(frozen=True)
class Slice:
    """One group of one audit column; rates are shares of its rows."""

    column: str
    group: str
    rows: int
    defaults: int
    mean_pd: float
    declined: float

    @property
    def default_rate(self) -> float:
        """The share that defaulted."""
        return self.defaults / self.rows

    def as_dict(self) -> dict[str, object]:
        """Everything of it, for JSON."""
        return {**asdict(self), "default_rate": self.default_rate}


def slices(data: Dataset, schema: Schema, predictions: Predictions) -> list[Slice]:
    """Every group of every segment and audit column of `data`, as declared; the predictions are of its rows."""
    return [
        found
        for column in schema.sliced_by
        if column.name in data.audit
        for found in _of_column(column, data, predictions)
    ]


def approval_ratios(of: Sequence[Slice]) -> dict[Slice, float]:
    """How often each group is approved, relative to the largest group of its column.

    Under `FOUR_FIFTHS` is worth a question; NaN when the largest is never approved.
    """
    largest: dict[str, Slice] = {}
    for each in of:
        if each.column not in largest or each.rows > largest[each.column].rows:
            largest[each.column] = each
    approved = {column: 1 - each.declined for column, each in largest.items()}
    return {each: (1 - each.declined) / approved[each.column] if approved[each.column] else math.nan for each in of}


def as_dicts(of: Sequence[Slice]) -> list[dict[str, object]]:
    """All of them with their approval ratios, for JSON, which has no NaN."""
    ratios = approval_ratios(of)
    return [
        {**each.as_dict(), "approval_ratio": None if math.isnan(ratio) else ratio} for each, ratio in ratios.items()
    ]


def _of_column(column: AuditColumn, data: Dataset, predictions: Predictions) -> Iterator[Slice]:
    found = data.audit[column.name].astype(str)
    groups, counts = np.unique(found, return_counts=True)
    kept = groups[np.argsort(-counts, kind="stable")][:_MOST_GROUPS]
    labels = np.where(np.isin(found, kept), found, OTHERS)
    declared = column.group_labels
    for group in sorted(set(labels), key=lambda label: (declared.index(label) if label in declared else 0, label)):
        rows = labels == group
        yield Slice(
            column.name,
            str(group),
            int(rows.sum()),
            int(predictions.target[rows].sum()),
            float(predictions.pd[rows].mean()),
            float(predictions.declined[rows].mean()),
        )
