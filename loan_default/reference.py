"""The training population, kept with the model: the bins of each feature and of the PD, with the rows in each of them.

What is scored later is counted into the same bins, and the counts are compared (`psi.py`). The file tells of quantiles
and of values that many applicants share, never of a single applicant.

The PDs are those of the hold-out. Of the rows that a model learnt from they are more certain than any it will give to
others, and out-of-fold ones come from other models: trees have few different PDs, so each fold's stand elsewhere.
"""

from collections.abc import Mapping
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from loan_default.decision import Stored
from loan_default.psi import Bins, Drift, drift
from loan_default.schema import Schema

# The PD's name among the features. No column has it, for their names are lower case.
PD = "PD"


class Reference(Stored):
    """The training rows in bins: `features` by name in the schema's order, and the PD."""

    format: Literal[1] = 1
    features: dict[str, Bins]
    pd: Bins

    @classmethod
    def of(cls, schema: Schema, features: NDArray[np.float64], pds: NDArray[np.float64]) -> Self:
        """Describe the rows that a model was trained on.

        Args:
            schema: whose features they are.
            features: (n, number of features), n ≥ 1, as `Features.values` gives them.
            pds: (m,), m ≥ 1, that the model gives to rows it did not learn from, spread like these.
        """
        named = zip(schema.feature_names, schema.feature_types, features.T, strict=True)
        return cls(
            features={name: Bins.of(values, nominal=kind == "c") for name, kind, values in named}, pd=Bins.of(pds)
        )


class ReferenceCounter:
    """Counts scored rows, chunk by chunk, into the bins of the reference. Not for several threads at once."""

    def __init__(self, reference: Reference) -> None:
        self._bins = [*reference.features.values(), reference.pd]
        self._names = [*reference.features, PD]
        self._counts = [np.zeros_like(bins.reference) for bins in self._bins]

    def add(self, features: NDArray[np.float64], pds: NDArray[np.float64]) -> None:
        """Count more rows.

        Args:
            features: (n, number of features), as `Features.values` gives them: float64, for rounding to float32 moves
                values over the ends of bins.
            pds: (n,), their PDs.
        """
        columns = zip(self._bins, self._counts, [*features.T, pds], strict=True)
        self._counts = [counts + bins.count(values) for bins, counts, values in columns]

    @property
    def counts(self) -> dict[str, list[int]]:
        """The rows so far, by feature and bin, to be kept as JSON and handed to `add_counts` later."""
        return {name: counts.tolist() for name, counts in zip(self._names, self._counts, strict=True)}

    def add_counts(self, kept: Mapping[str, list[int]]) -> None:
        """Add the `counts` of another counter of the same reference.

        Raises:
            ValueError: they are of another reference.
        """
        if list(kept) != self._names or [len(kept[name]) for name in kept] != [len(each) for each in self._counts]:
            raise ValueError("These counts belong to the bins of another model's training rows.")
        self._counts = [
            counts + np.array(more, dtype=np.int64) for counts, more in zip(self._counts, kept.values(), strict=True)
        ]

    def merge(self, other: Self) -> None:
        """Add what another counter of the same reference has counted."""
        self.add_counts(other.counts)

    def drift(self, threshold: float) -> dict[str, Drift]:
        """How far the rows so far are from the training rows, by feature and for the PD (as `PD`); empty without rows.

        Args:
            threshold: the PSI from which a shift matters (DRIFT_PSI_THRESHOLD).
        """
        if not self._counts[-1].sum():
            return {}
        return {
            name: drift(counts, bins.reference, threshold, tests=len(self._names))
            for name, counts, bins in zip(self._names, self._counts, self._bins, strict=True)
        }
