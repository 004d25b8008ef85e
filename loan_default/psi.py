"""The population stability index (PSI): how differently two sets of values are spread over the same bins.

PSI = Σ (a − b) · ln(a / b) over the bins, where a and b are the shares of the rows compared and of the reference in a
bin. It is Jeffreys' divergence (Proceedings of the Royal Society A 186:453, 1946), known in credit scoring from
Siddiqi, Credit Risk Scorecards (2006). `bins.py` has the bins, `reference.py` those of a model's training rows.

Without any drift PSI is not 0: it is distributed about as χ²(B − 1) · (1/N + 1/M) for B bins and N and M rows (Yurdakul
and Naranjo, Journal of Risk Model Validation 14(4), 2020). `critical_psi` is the point of that distribution that chance
rarely passes.
"""

import numpy as np
from numpy.typing import NDArray

from loan_default.decision import Stored

# A share below this, or below half a row, counts as this much, so that an empty bin does not make PSI infinite.
# Evidently takes the same for large windows; in small ones an empty bin is no surprise, and would be an alarm.
SMALLEST_SHARE = 1e-4
# How often at most chance alone may raise an alarm in a window, all features and the PD together.
FALSE_ALARMS = 0.01


class Drift(Stored):
    """How far rows are from the reference, in one feature or in the PD.

    Attributes:
        psi: the population stability index.
        critical: what PSI stays under by chance alone, for so many rows.
        drifted: PSI is over both the threshold and the critical value.
    """

    psi: float
    critical: float
    drifted: bool


def psi(counts: NDArray[np.int64], reference: NDArray[np.int64]) -> float:
    """The population stability index of rows in bins against the reference's rows in the same bins.

    Args:
        counts: (B,), at least one row in all.
        reference: (B,), likewise.

    Returns:
        0 for equal shares, otherwise more; the order of the two does not matter.
    """
    occupied = (counts > 0) | (reference > 0)
    a, b = _shares(counts, occupied), _shares(reference, occupied)
    return float(((a - b) * np.log(a / b)).sum())


def critical_psi(counts: NDArray[np.int64], reference: NDArray[np.int64], tests: int) -> float:
    """What PSI stays under without drift, but for one set of `tests` comparisons in 1 / `FALSE_ALARMS`.

    Args:
        counts: (B,), at least one row in all.
        reference: (B,), likewise.
        tests: how many PSIs are looked at together (Bonferroni's correction), at least 1.
    """
    from scipy.special import chdtri  # XGBoost brings SciPy; online scoring never gets here

    bins = int(((counts > 0) | (reference > 0)).sum())
    chance = chdtri(max(bins - 1, 1), FALSE_ALARMS / tests)
    return float(chance * (1 / reference.sum() + 1 / counts.sum()))


def drift(counts: NDArray[np.int64], reference: NDArray[np.int64], threshold: float, tests: int) -> Drift:
    """Whether rows in bins, (B,) with at least one row, have drifted from the reference's, (B,).

    An alarm needs a PSI over the threshold, so that it matters, and over the critical value, so that it is no accident.
    """
    value, critical = psi(counts, reference), critical_psi(counts, reference, tests)
    return Drift(psi=value, critical=critical, drifted=value > threshold and value > critical)


def _shares(counts: NDArray[np.int64], occupied: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The share of each occupied bin; an empty one counts as half a row, so that a small window is not an alarm."""
    rows = counts.sum()
    return np.asarray(np.maximum(counts[occupied] / rows, max(SMALLEST_SHARE, 0.5 / rows)))
