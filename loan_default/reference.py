"""The training population, kept with the model: the bins of each feature and of the PD, with the rows in each of them.

What is scored later is counted into the same bins, and the counts are compared (`bins.py`, `psi.py`). The file tells of
quantiles and of values that many applicants share, never of a single applicant.

The PDs are those of the hold-out. Of the rows that a model learnt from they are more certain than any it will give to
others, and out-of-fold ones come from other models: trees have few different PDs, so each fold's stand elsewhere.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from loan_default.bins import Bins
from loan_default.decision import Stored
from loan_default.psi import Drift, drift
from loan_default.schema import Schema

# The PD's name among the features. No column has it, for their names are lower case.
PD = "PD"


class Reference(Stored):
    """The training rows in bins: `features` by name in the schema's order, and the PD."""

    format: Literal[1] = 1
    features: dict[str, Bins]
    pd: Bins

    @classmethod
    def of(cls, schema: Schema, features: NDArray[np.float32], pds: NDArray[np.float64]) -> Self:
        """Describe the rows that a model was trained on.

        Args:
            schema: whose features they are.
            features: (n, number of features), n ≥ 1, as `Features.matrix` gives them.
            pds: (m,), m ≥ 1, that the model gives to rows it did not learn from, spread like these.
        """
        named = zip(schema.feature_names, schema.feature_types, features.T, strict=True)
        return cls(
            features={name: Bins.of(values, nominal=kind == "c") for name, kind, values in named}, pd=Bins.of(pds)
        )


class PopulationWatch:
    """Compares scored rows with the training population, by counts that are added up over chunks; keeps none itself."""

    def __init__(self, reference: Reference, threshold: float) -> None:
        """`threshold`: the PSI from which a shift matters (DRIFT_PSI_THRESHOLD)."""
        self._bins = {**reference.features, PD: reference.pd}
        self._threshold = threshold

    def counts(self, features: NDArray[np.float32], pd: NDArray[np.float64]) -> dict[str, list[int]]:
        """How many rows lie in each bin, by feature and for the PD: for one model always the same names and lengths.

        Args:
            features: (n, number of features), as `Features.matrix` gives them.
            pd: (n,) their PDs.
        """
        columns = zip(self._bins.items(), [*features.T, pd], strict=True)
        return {name: bins.count(values).tolist() for (name, bins), values in columns}

    def drift(self, counts: Mapping[str, Sequence[int]]) -> dict[str, Drift]:
        """How far rows are from the training rows, by feature and for the PD (as `PD`); empty without rows.

        Args:
            counts: of these rows, as `counts` gives them for some at a time, added up.
        """
        if not any(map(sum, counts.values())):
            return {}
        return {
            name: drift(np.array(counts[name]), bins.reference, self._threshold, tests=len(self._bins))
            for name, bins in self._bins.items()
        }
