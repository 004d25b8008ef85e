"""SMOTE for the columns a lender really has: amounts, choices, missing values.

SMOTE (Chawla et al., JAIR 16, 2002) draws synthetic defaults between neighbouring ones. Amounts are interpolated, which
makes no sense for choices, so SMOTENC of the same paper takes those from the neighbours instead (SMOTEN when there are
no amounts at all). A choice is a category, a boolean, or an integer with two allowed values.

Neither measures distances to a missing value. For that, and within the rows it is given only, a missing amount stands
at the median and a choice of its own says that it is missing; a missing choice is a choice of its own. Whichever
synthetic applicant draws "missing" gets a missing value, so that XGBoost never sees one that was filled in. Real rows
are not touched.
"""

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
from numpy.typing import NDArray

from loan_default.schema import Schema
from loan_default.schema.columns import NumberColumn

NEIGHBOURS = 5
_MISSING_CHOICE = -1.0


def oversample(
    applicants: NDArray[np.float64], target: NDArray[np.int64], *, schema: Schema, ratio: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Add synthetic defaults until there are `ratio` of them to each other row; the given rows stay first, as they are.

    Args:
        applicants: (n, number of columns), NaN where a value is missing.
        target: (n,), 1 for a default; more than NEIGHBOURS of them.
    """
    missing = np.isnan(applicants)
    choices = np.array([column.nominal for column in schema.columns])
    gaps = np.flatnonzero(missing.any(axis=0) & ~choices)  # amounts that are missing somewhere
    measured = np.hstack([_filled(applicants, missing, choices), missing[:, gaps]])
    nominal = np.concatenate([np.flatnonzero(choices), np.arange(len(choices), measured.shape[1])])
    sampler = _sampler(nominal, measured.shape[1], ratio, seed)
    resampled, labels = sampler.fit_resample(measured, target)
    synthetic = resampled[len(applicants) :, : len(choices)]
    drawn_missing = synthetic == np.where(choices, _MISSING_CHOICE, np.nan)
    drawn_missing[:, gaps] = resampled[len(applicants) :, len(choices) :] == 1
    integers = [isinstance(column, NumberColumn) and column.type == "integer" for column in schema.columns]
    synthetic = np.where(integers, np.round(synthetic), synthetic)
    return np.vstack([applicants, np.where(drawn_missing, np.nan, synthetic)]), labels


def _filled(
    applicants: NDArray[np.float64], missing: NDArray[np.bool_], choices: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The rows with something in each gap that distances can be measured to."""
    filled = applicants.copy()
    for i in np.flatnonzero(missing.any(axis=0)):
        present = applicants[~missing[:, i], i]
        filled[missing[:, i], i] = _MISSING_CHOICE if choices[i] else (np.median(present) if len(present) else 0.0)
    return filled


def _sampler(nominal: NDArray[np.int64], width: int, ratio: float, seed: int) -> SMOTE | SMOTEN:
    options = {"sampling_strategy": ratio, "k_neighbors": NEIGHBOURS, "random_state": seed}
    if len(nominal) == 0:
        return SMOTE(**options)
    return SMOTEN(**options) if len(nominal) == width else SMOTENC(nominal.tolist(), **options)
