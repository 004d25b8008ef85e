"""From an applicant's columns to the numbers the model sees; the only place that computes a feature.

Training, online scoring, bulk scoring and drift all call `Features.matrix`, so they cannot differ.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from loan_default.schema import Schema
from loan_default.schema.columns import CategoryColumn
from loan_default.schema.derived import Derived

_FLOAT32_MAX = float(np.finfo(np.float32).max)

# Computes one derived feature of all applicants, (n, number of columns), into (n,).
_Operation: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], object]


class Features:
    """Computes the feature matrix that a declaration describes."""

    def __init__(self, schema: Schema) -> None:
        index = {name: i for i, name in enumerate(schema.column_names)}
        self._n_columns = len(schema.columns)
        self._operations = [_operation(feature, index) for feature in schema.derived]
        # Codes of categories that training never showed to the model: to it they are missing.
        self._never_seen = [
            (i, [float(column.categories.index(category)) for category in column.never_seen])
            for i, column in enumerate(schema.columns)
            if isinstance(column, CategoryColumn) and column.never_seen
        ]

    def values(self, applicants: NDArray[np.float64]) -> NDArray[np.float64]:
        """The features in full precision, values beyond float32's range at the range's end (never infinite).

        Args:
            applicants: (n, number of columns), in the declaration's order, already validated; NaN = missing.

        Returns:
            (n, number of features): the columns, then the derived features. A derived feature is missing (NaN) where a
            column it is computed from is.
        """
        features = np.empty((len(applicants), self._n_columns + len(self._operations)), dtype=np.float64)
        features[:, : self._n_columns] = applicants
        for i, codes in self._never_seen:
            features[np.isin(features[:, i], codes), i] = np.nan
        with np.errstate(over="ignore"):  # a tiny denominator may overflow; the clip brings that back
            for i, compute in enumerate(self._operations, start=self._n_columns):
                compute(applicants, features[:, i])
        return np.clip(features, -_FLOAT32_MAX, _FLOAT32_MAX, out=features)

    def matrix(self, applicants: NDArray[np.float64]) -> NDArray[np.float32]:
        """The features as XGBoost takes them: the same in float32."""
        return self.values(applicants).astype(np.float32)


def _operation(feature: Derived, index: dict[str, int]) -> _Operation:
    if feature.ratio is not None:
        numerator, denominator = index[feature.ratio.numerator], index[feature.ratio.denominator]
        return lambda rows, out: np.divide(rows[:, numerator], rows[:, denominator], out=out)
    if feature.difference is not None:
        of, minus = index[feature.difference.of], index[feature.difference.minus]
        return lambda rows, out: np.subtract(rows[:, of], rows[:, minus], out=out)
    assert feature.log is not None  # noqa: S101  # the declaration has exactly one operation
    of, plus = index[feature.log.of], feature.log.plus
    return lambda rows, out: np.log(rows[:, of] + plus, out=out)
