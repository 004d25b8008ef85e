"""Why the model gave an applicant this PD: at most four reasons in plain words.

    contributions   what each column adds to the log-odds of many applicants at once, by exact TreeSHAP
    reasons         those that matter for one applicant, in sentences made of the declaration's words and the value
    explain         both, for a few applicants
    importance      the mean magnitude of each column's contribution, for pictures

XGBoost computes the contributions (`pred_contribs`; Lundberg et al., Nature Machine Intelligence 2, 2020) on its raw
log-odds. There, calibration is a straight line, PD = sigmoid(slope × margin + intercept). So a contribution to the
calibrated log-odds is slope × the raw one, the base is slope × bias + intercept, and base + contributions = logit(PD).
XGBoost adds up in float32: the two sides may differ by `ROUNDING` × (|base| + the sum of |contributions|).

What a derived feature contributes goes to the columns it is computed from, because those are what an applicant knows:
in equal parts, a ratio or difference in halves, a logarithm as a whole. When the derived feature is missing, that is
because some of these columns are, and only those share it. This is a convention: it keeps the sum and favours no
column, but another split would be as true.

A contribution compares with the average of each tree's leaves, weighted by XGBoost's cover: with the rows it was
trained on, SMOTE's made-up ones included, each counted by p × (1 - p), the more the less sure the trees before were
about it. So the base is no person, nor the mean of all applicants, nor the base rate; on the default data it lies
between the mean applicant and the threshold. In trees of more than one split a feature not yet known is averaged
over the rows in that branch, not over all rows (path-dependent TreeSHAP). Regulation B (12 CFR 1002, Supplement I,
9(b)(2)-5) accepts as comparison all applicants, or those who just passed, or whatever gives similar reasons.

Declared directions of risk: with trees of one split, the default, more of a column never moves its contribution
against its direction, its part of a derived feature included when that has the direction that follows from the
column's. With deeper trees this holds for a feature's own contribution while all other features stay as they are, not
for the sum with a derived feature.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from loan_default.cells import Answering
from loan_default.decision import Calibration
from loan_default.schema import Column, Schema
from loan_default.schema.columns import CategoryColumn, NumberColumn, Value

# Measured on both data sets, extreme and missing values included: 1.1e-6 with 300 trees, 3.4e-6 with 5,000.
ROUNDING = 1e-5

# "Disclosure of more than four reasons is not likely to be helpful to the applicant" (Regulation B, 9(b)(2)-1).
MOST_REASONS = 4

# Less changes the odds by less than 1 %, which is nobody's reason.
LEAST_CONTRIBUTION = 0.01

# Beyond it, floats and the model's float32 no longer hold the digits that the applicant gave.
_LONGEST_NUMBER = 1e15


class Reason(BaseModel):
    """What one column has to do with an applicant's PD."""

    model_config = ConfigDict(frozen=True)

    feature: str = Field(description="The column's name.")
    direction: Literal["raises the risk", "lowers the risk"]
    contribution: float = Field(description="What the column adds to the calibrated log-odds.")
    value: Value = Field(description="The value that was scored; null where the model saw none.")
    sentence: str = Field(description="The reason in plain words.")


@dataclass(frozen=True)
class Contributions:
    """What each column adds to the calibrated log-odds of each applicant.

    Attributes:
        base: the log-odds that all applicants start from.
        values: (n, number of columns) in the schema's order. base + the sum of a row is logit(PD).
    """

    base: float
    values: NDArray[np.float64]


def contributions(
    booster: xgb.Booster, calibration: Calibration, schema: Schema, matrix: NDArray[np.float32]
) -> Contributions:
    """What each column contributes, for a feature matrix, (n, number of features), of at least one row.

    A row's contributions do not depend on the other rows.
    """
    return _calibrated(raw_contributions(booster, schema, matrix), calibration, schema, matrix)


def raw_contributions(booster: xgb.Booster, schema: Schema, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each feature adds to the raw log-odds, and last the bias, (n, number of features + 1)."""
    rows = xgb.DMatrix(matrix, feature_names=schema.feature_names, feature_types=schema.feature_types, nthread=1)
    found: NDArray[np.float32] = booster.predict(rows, pred_contribs=True)
    return found


def reasons(schema: Schema, contributed: Sequence[float], features: Sequence[float], declined: bool) -> list[Reason]:
    """The reasons for one applicant's PD, the most important first; ties in the declaration's order.

    A declined applicant is told the columns that raise the risk most, any other those with the largest contributions in
    either direction: at most `MOST_REASONS`, each at least `LEAST_CONTRIBUTION`. When no column raises a declined
    applicant's risk by that much, it is the one that raises it most. When none raises it at all, there is no reason:
    that takes a threshold so low that it declines even the base, and then no column is to blame.

    Args:
        schema: the model's declaration.
        contributed: the applicant's row of `Contributions.values`.
        features: the applicant's features as scored, from `Features.values`. A category that the model does not
            know is missing there, and shown as missing, because it was scored as missing.
        declined: whether the PD reached the threshold.
    """
    chosen = _most_important(contributed, declined)
    return [_reason(schema.columns[i], float(contributed[i]), float(features[i])) for i in chosen]


def explain(
    booster: xgb.Booster,
    calibration: Calibration,
    schema: Schema,
    values: NDArray[np.float64],
    declined: Sequence[bool],
) -> list[list[Reason]]:
    """The reasons of several applicants, at least one, from `Features.values` and whether each was declined."""
    return explain_with(partial(raw_contributions, booster, schema), calibration, schema, values, declined)


def explain_with(
    raw: Answering[np.float32],
    calibration: Calibration,
    schema: Schema,
    values: NDArray[np.float64],
    declined: Sequence[bool],
) -> list[list[Reason]]:
    """The same with `raw`, which answers as `raw_contributions` does."""
    matrix = values.astype(np.float32)
    contributed = _calibrated(raw(matrix), calibration, schema, matrix).values
    rows = zip(contributed.tolist(), values.tolist(), declined, strict=True)
    return [reasons(schema, *row) for row in rows]


def importance(schema: Schema, of: Contributions) -> dict[str, float]:
    """The mean magnitude of each column's contribution over all rows, by name, in the declared order."""
    return dict(zip(schema.column_names, np.abs(of.values).mean(axis=0).tolist(), strict=True))


def _calibrated(
    raw: NDArray[np.float32], calibration: Calibration, schema: Schema, matrix: NDArray[np.float32]
) -> Contributions:
    scaled = calibration.slope * raw.astype(np.float64)
    base = float(scaled[0, -1]) + calibration.intercept
    return Contributions(base, _by_column(schema, scaled[:, :-1], np.isnan(matrix)))


def _by_column(schema: Schema, of_features: NDArray[np.float64], missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Contributions of features, (n, number of features), summed up by column, (n, number of columns)."""
    index = {name: i for i, name in enumerate(schema.column_names)}
    summed = of_features[:, : len(index)].copy()
    for feature, share in zip(schema.derived, of_features[:, len(index) :].T, strict=True):
        used = [index[name] for name in dict.fromkeys(feature.operation.uses)]
        to = missing[:, used]  # a copy
        to[~to.any(axis=1)] = True
        summed[:, used] += to * (share / to.sum(axis=1))[:, None]
    return summed


def _most_important(contributed: Sequence[float], declined: bool) -> list[int]:
    """The places of the columns to name, in order."""
    weights = [value if declined else abs(value) for value in contributed]
    order = sorted(range(len(weights)), key=lambda i: -weights[i])  # stable: ties stay in the declared order
    kept = [i for i in order[:MOST_REASONS] if weights[i] >= LEAST_CONTRIBUTION]
    if declined and not kept:
        kept = [i for i in order[:1] if weights[i] > 0]
    return kept


def _reason(column: Column, contribution: float, number: float) -> Reason:
    value = None if math.isnan(number) else column.shown(number)
    verb: Literal["raises", "lowers"] = "raises" if contribution > 0 else "lowers"
    return Reason(
        feature=column.name,
        direction="raises the risk" if verb == "raises" else "lowers the risk",
        contribution=contribution,
        value=value,
        sentence=f"{_described(column)} In this application: {_said(column, value)}. This {verb} the estimated risk.",
    )


def _described(column: Column) -> str:
    """The whole description: cutting sentences out of somebody's text goes wrong at the first abbreviation."""
    text = " ".join(column.description.split()).rstrip(":;,")
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")


def _said(column: Column, value: Value) -> str:
    """The value in words, fit to stand after a colon and before a full stop."""
    if value is None:
        may_be_unknown = isinstance(column, CategoryColumn) and column.unknown == "missing"
        return "not stated, or not a value that the model knows" if may_be_unknown else "not stated"
    if isinstance(column, NumberColumn):
        return f"{_number(float(value))} ({' '.join(column.unit.split())})"
    if isinstance(column, CategoryColumn):
        return f"“{value}”"  # so that it cannot run into the sentence
    return "yes" if value else "no"


def _number(number: float) -> str:
    """With thousands separators and at most two decimals."""
    if abs(number) > _LONGEST_NUMBER:
        return f"more than {_LONGEST_NUMBER:,.0f}" if number > 0 else f"less than -{_LONGEST_NUMBER:,.0f}"
    text = f"{number:,.2f}".rstrip("0").rstrip(".")
    if text in {"0", "-0"}:
        return "almost 0" if number else "0"
    return text
