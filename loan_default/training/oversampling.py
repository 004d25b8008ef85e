"""SMOTE for the columns a lender really has: amounts, choices, missing values.

SMOTE (Chawla et al., JAIR 16, 2002) draws synthetic defaults between neighbouring ones. Amounts are interpolated, which
makes no sense for choices, so SMOTENC of the same paper takes those from the neighbours instead (SMOTEN when there are
no amounts at all). A choice is a category, a boolean, or an integer with two allowed values.

Neither measures distances to a missing value. A missing choice is therefore a choice of its own. A missing amount
stands at the median of the rows it is given, beside a mark that it is missing, as far from "present" as one standard
deviation. The mark is interpolated too, so it tells how much of a synthetic amount came from a parent without one: half
or more, and the amount is missing; less, and it is what the other parent has. XGBoost sees no amount that was filled
in, nor anything between it and a real one. Real rows are not touched.
"""

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
from numpy.typing import NDArray

from loan_default.schema import Schema
from loan_default.schema.columns import NumberColumn

NEIGHBOURS = 5
# No column's value: those that are choices are small whole numbers.
_MISSING_CHOICE = -1e300


def oversample(
    applicants: NDArray[np.float64], target: NDArray[np.int64], *, schema: Schema, ratio: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Add synthetic defaults until there are `ratio` of them to each other row; the given rows stay first, as they are.

    Args:
        applicants: (n, number of columns), NaN where a value is missing.
        target: (n,), 1 for a default; more than NEIGHBOURS of them.
    """
    choices = np.array([column.nominal for column in schema.columns])
    missing = np.isnan(applicants)
    gaps = np.flatnonzero(missing.any(axis=0) & ~choices)  # amounts that are missing somewhere
    medians, deviations = _typical(applicants[:, gaps])
    measured = np.where(missing & choices, _MISSING_CHOICE, applicants)
    measured[:, gaps] = np.where(missing[:, gaps], medians, applicants[:, gaps])
    marked = np.hstack([measured, missing[:, gaps] * deviations])
    sampler = _sampler(np.flatnonzero(choices).tolist(), marked.shape[1], ratio, seed)
    resampled, labels = sampler.fit_resample(marked, target)
    drawn = resampled[len(applicants) :, : len(choices)]
    drawn[drawn == _MISSING_CHOICE] = np.nan
    unfilled = _unfilled(drawn[:, gaps], resampled[len(applicants) :, len(choices) :] / deviations, medians)
    # The last bits of a computed amount must not lead beyond the limits that the real ones keep.
    drawn[:, gaps] = np.clip(unfilled, np.fmin.reduce(applicants[:, gaps]), np.fmax.reduce(applicants[:, gaps]))
    whole = [isinstance(column, NumberColumn) and column.type == "integer" for column in schema.columns]
    return np.vstack([applicants, np.where(whole, np.round(drawn), drawn)]), labels


def _typical(amounts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and standard deviation of each column, (k,) each, of what is present; the latter never zero."""
    present = [column[~np.isnan(column)] for column in amounts.T]
    medians = [float(np.median(values)) if len(values) else 0.0 for values in present]
    deviations = [float(values.std()) if len(values) else 0.0 for values in present]
    return np.array(medians), np.array([deviation or 1.0 for deviation in deviations])


def _unfilled(
    amounts: NDArray[np.float64], missing_share: NDArray[np.float64], medians: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Interpolated amounts, (m, k), without what came from a median; NaN where that was half or more of one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        other_parent = (amounts - missing_share * medians) / (1 - missing_share)
    return np.where(missing_share >= 0.5, np.nan, np.where(missing_share == 0, amounts, other_parent))


def _sampler(nominal: list[int], width: int, ratio: float, seed: int) -> SMOTE | SMOTEN:
    options = {"sampling_strategy": ratio, "k_neighbors": NEIGHBOURS, "random_state": seed}
    if not nominal:
        return SMOTE(**options)
    return SMOTEN(**options) if len(nominal) == width else SMOTENC(nominal, **options)
