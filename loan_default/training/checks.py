"""Leakage and sense: what the declaration allows but a model must not, or should not, learn from.

The rule. **Refused**, because the model would be worthless or would answer by accident:

- a column that alone tells who defaulted: its ROC-AUC, the default rate by value or decile taken as the score, is
  `REFUSED_AUC` or more, or one of its values or ends (or its being missing) holds half of all defaults and hardly
  anybody else; which includes a copy of the target;
- an integer column that numbers the rows: it rises or falls with every line of the file;
- a column that is missing in every row;
- a column that may be missing, or whose unknown categories are scored as missing, but never is in training: the model
  could not learn what that means, and XGBoost would follow an arbitrary branch.

**Warned of**, because a person must decide: the same at `WARNED_AUC` and a tenth of the defaults; constant columns;
columns that are almost always missing; integers and categories in which nearly every row has a value of its own;
repeated rows and ids; declared categories that no row has; headers of the file that the declaration does not mention.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from loan_default.errors import DataError
from loan_default.schema import Column, Schema
from loan_default.schema.columns import CategoryColumn, NumberColumn
from loan_default.training.csv_file import listed
from loan_default.training.data import Dataset

WARNED_AUC, REFUSED_AUC = 0.97, 0.99
# A part of the data in which this share defaulted is pure, and gives away the defaults in it.
_PURE = 0.99
_WARNED_GIVEN_AWAY, _REFUSED_GIVEN_AWAY = 0.1, 0.5
_FEWEST = 10
_DECILES = np.arange(0.1, 1, 0.1)
_ALMOST_ALWAYS = 0.95
_FEWEST_ROWS_FOR_IDS = 50
_REPEATED_ROWS = 0.01
_FEW_MISSING = 30


class Finding(NamedTuple):
    """Something about the data that a person must know; `refused` says that it ends the training."""

    text: str
    refused: bool = False


def findings(data: Dataset, schema: Schema) -> list[Finding]:
    """Everything there is to say about the data, refusals first."""
    found: list[Finding] = []
    for column, values in zip(schema.columns, data.applicants.T, strict=True):
        for check in _OF_A_COLUMN:
            found += check(column, values, data.target)
    found += [*_repeated_rows(data), *_repeated_ids(data), *_undeclared(data)]
    return sorted(found, key=lambda finding: not finding.refused)


def require_sensible(data: Dataset, schema: Schema) -> list[str]:
    """The warnings about the data; raises DataError when a model must not be made of them."""
    found = findings(data, schema)
    refused = [finding.text for finding in found if finding.refused]
    if refused:
        raise DataError(f"No model is made of these data: {'; '.join(refused)}.")
    return [finding.text for finding in found]


def _constant(column: Column, values: NDArray[np.float64], _: NDArray[np.int64]) -> Iterator[Finding]:
    different = np.unique(values, equal_nan=True)
    if len(different) > 1:
        return
    if np.isnan(different[0]):
        yield Finding(f"{column.header!r} is missing in every row; ignore it", refused=True)
    else:
        value = repr(column.shown(float(different[0])))
        yield Finding(f"{column.header!r} is {value} in every row, so nothing can be learnt from it; ignore it")


def _mostly_missing(column: Column, values: NDArray[np.float64], _: NDArray[np.int64]) -> Iterator[Finding]:
    share = float(np.isnan(values).mean())
    if _ALMOST_ALWAYS <= share < 1:
        yield Finding(f"{column.header!r} is missing in {share:.1%} of the rows")


def _missing_never_learnt(column: Column, values: NDArray[np.float64], _: NDArray[np.int64]) -> Iterator[Finding]:
    unknown_is_missing = isinstance(column, CategoryColumn) and column.unknown == "missing"
    if not (column.may_be_missing or unknown_is_missing):
        return
    rows = int(np.isnan(values).sum())
    remedies = ["may_be_missing: false"] * column.may_be_missing + ["unknown: refuse"] * unknown_is_missing
    if rows == 0:
        yield Finding(
            f"{column.header!r} may be missing by its declaration but never is in these data, so the model cannot "
            f"learn what that means; declare {' and '.join(remedies)}",
            refused=True,
        )
    elif rows < _FEW_MISSING:
        yield Finding(f"{column.header!r} is missing in {rows} rows only, little to learn what that means from")


def _tells_alone(column: Column, values: NDArray[np.float64], target: NDArray[np.int64]) -> Iterator[Finding]:
    auc, given_away = separation(column, values, target)
    if auc < WARNED_AUC and given_away < _WARNED_GIVEN_AWAY:
        return
    refused = auc >= REFUSED_AUC or given_away >= _REFUSED_GIVEN_AWAY
    yield Finding(
        f"{column.header!r} alone tells who defaulted (ROC-AUC {auc:.3f}; it gives away {given_away:.0%} of the "
        "defaults): is it known only after the loan was granted? Then ignore it",
        refused,
    )


def _numbers_the_rows(column: Column, values: NDArray[np.float64], _: NDArray[np.int64]) -> Iterator[Finding]:
    present = values[~np.isnan(values)]
    amount = isinstance(column, NumberColumn) and column.type == "number"
    if len(present) < _FEWEST_ROWS_FOR_IDS or amount:
        return
    steps = np.diff(values)
    if isinstance(column, NumberColumn) and (bool((steps > 0).all()) or bool((steps < 0).all())):
        yield Finding(f"{column.header!r} numbers the rows; declare it as the id, or ignore it", refused=True)
    elif len(np.unique(present)) > _ALMOST_ALWAYS * len(present):
        yield Finding(f"{column.header!r} has a value of its own in nearly every row: is it an id? Then ignore it")


def _never_used(column: Column, values: NDArray[np.float64], _: NDArray[np.int64]) -> Iterator[Finding]:
    if isinstance(column, CategoryColumn):
        seen = set(values[~np.isnan(values)])
        never = [category for category, code in column.codes.items() if code not in seen]
        if never:
            fate = "refused" if column.unknown == "refuse" else "scored as missing"
            yield Finding(f"no row has {listed(never)} in {column.header!r}; such applicants will be {fate}")


_OF_A_COLUMN: tuple[Callable[[Column, NDArray[np.float64], NDArray[np.int64]], Iterator[Finding]], ...] = (
    _tells_alone,
    _numbers_the_rows,
    _missing_never_learnt,
    _constant,
    _mostly_missing,
    _never_used,
)


def separation(column: Column, values: NDArray[np.float64], target: NDArray[np.int64]) -> tuple[float, float]:
    """How much one column tells by itself.

    Args:
        values: (n,), NaN where missing.
        target: (n,), both classes.

    Returns:
        The ROC-AUC it reaches alone, at least 0.5, and the share of all defaults that a pure part of it gives away.
    """
    missing = np.isnan(values)
    present, of_present = values[~missing], target[~missing]
    ordered = not isinstance(column, CategoryColumn)
    edges = np.unique(np.quantile(present, _DECILES)) if ordered and len(present) else np.unique(present)
    parts = np.where(missing, 0, 1 + np.searchsorted(edges, np.nan_to_num(values), side="left"))
    auc = max(_auc(_rates(parts, target), target), _auc(present, of_present) if ordered else 0.5)
    pure = [int(target[missing].sum())] if _is_pure(target[missing].sum(), missing.sum()) else [0]
    _, value, counts = np.unique(present, return_inverse=True, return_counts=True)
    defaults = np.bincount(value, weights=of_present, minlength=len(counts))
    pieces = [(defaults, counts)]
    if ordered:  # the lowest and the highest values, however many it takes
        pieces += [(np.cumsum(defaults), np.cumsum(counts)), (np.cumsum(defaults[::-1]), np.cumsum(counts[::-1]))]
    for piece, rows in pieces:
        pure += piece[_is_pure(piece, rows)].astype(int).tolist()
    return auc, max(pure) / int(target.sum())


def _auc(scores: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """The ROC-AUC in whichever direction is better; 0.5 when there is too little to tell."""
    if np.bincount(target, minlength=2).min() < _FEWEST:
        return 0.5
    auc = float(roc_auc_score(target, scores))
    return max(auc, 1 - auc)


def _rates(parts: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each row the default rate of the part it is in, (n,); parts of a few rows are taken together."""
    pooled = np.where(np.bincount(parts)[parts] < _FEWEST, -1, parts) + 1
    rates = np.bincount(pooled, weights=target) / np.maximum(np.bincount(pooled), 1)
    return np.asarray(rates[pooled])


def _is_pure(defaults: Any, rows: Any) -> Any:
    """Whether (nearly) all rows of a part defaulted, and it has enough of them to mean something."""
    return (defaults >= _FEWEST) & (defaults >= _PURE * rows)


def _repeated_rows(data: Dataset) -> Iterator[Finding]:
    rows = np.column_stack([data.applicants, data.target])
    repeated = len(rows) - len(np.unique(np.nan_to_num(rows, nan=np.inf), axis=0))
    if repeated > _REPEATED_ROWS * len(rows):
        yield Finding(
            f"{repeated:,} of {len(rows):,} rows repeat another one in every column; in different folds they make the "
            "figures look better than they are"
        )


def _repeated_ids(data: Dataset) -> Iterator[Finding]:
    if data.ids is None:
        return
    ids, counts = np.unique(data.ids.astype(str), return_counts=True)
    if len(ids) < len(data):
        first = ids[counts > 1][:3].tolist()
        yield Finding(f"{int((counts > 1).sum()):,} ids stand in more than one row, such as {listed(first)}")


def _undeclared(data: Dataset) -> Iterator[Finding]:
    if data.undeclared:
        yield Finding(
            f"the declaration does not mention {listed(list(data.undeclared))}, so nothing is learnt from it; say why "
            "under ignored"
        )
