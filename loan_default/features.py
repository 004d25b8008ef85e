"""From an applicant's columns to the numbers the model sees; the only place that computes a feature.

Training, online scoring, bulk scoring and drift all call `Features.matrix`, so they cannot differ.
"""

import numpy as np
from numpy.typing import NDArray

from loan_default.schema import Schema

_FLOAT32_MAX = float(np.finfo(np.float32).max)


class Features:
    """Computes the feature matrix that a declaration describes."""

    def __init__(self, schema: Schema) -> None:
        index = {name: i for i, name in enumerate(schema.column_names)}
        self._n_columns = len(schema.columns)
        self._ratios = [(index[f.ratio.numerator], index[f.ratio.denominator]) for f in schema.derived]

    def values(self, applicants: NDArray[np.float64]) -> NDArray[np.float64]:
        """The features in full precision, values beyond float32's range at the range's end (never infinite).

        Args:
            applicants: (n, number of columns), in the declaration's order, already validated.

        Returns:
            (n, number of features): the columns, then the derived features.
        """
        features = np.empty((len(applicants), self._n_columns + len(self._ratios)), dtype=np.float64)
        features[:, : self._n_columns] = applicants
        with np.errstate(over="ignore"):  # a tiny denominator may overflow; the clip brings that back
            for i, (numerator, denominator) in enumerate(self._ratios, start=self._n_columns):
                np.divide(applicants[:, numerator], applicants[:, denominator], out=features[:, i])
        return np.clip(features, -_FLOAT32_MAX, _FLOAT32_MAX, out=features)

    def matrix(self, applicants: NDArray[np.float64]) -> NDArray[np.float32]:
        """The features as XGBoost takes them: the same in float32."""
        return self.values(applicants).astype(np.float32)
