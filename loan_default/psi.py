"""The population stability index (PSI): how differently two sets of values are spread over the same bins.

PSI = Σ (a − b) · ln(a / b) over the bins, where a and b are the shares of the rows compared and of the reference in a
bin. It is Jeffreys' divergence (Proceedings of the Royal Society A 186:453, 1946), known in credit scoring from
Siddiqi, Credit Risk Scorecards (2006). `Bins` cuts a reference into bins and counts values in them; `reference.py` has
the bins of a model's training rows.

Without any drift PSI is not 0: it is distributed about as χ²(B − 1) · (1/N + 1/M) for B bins and N and M rows (Yurdakul
and Naranjo, Journal of Risk Model Validation 14(4), 2020). `critical_psi` is the point of that distribution that chance
rarely passes.
"""

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from loan_default.decision import Stored

# A share below this, or below half a row, counts as this much, so that an empty bin does not make PSI infinite.
# Evidently takes the same for large windows; in small ones an empty bin is no surprise, and would be an alarm.
SMALLEST_SHARE = 1e-4
# How often at most chance alone may raise an alarm in a window, all features and the PD together.
FALSE_ALARMS = 0.01

# A bin with less of the reference is merged into another: PSI jumps when single rows move in or out of it.
_LEAST_SHARE = 0.005
_LEAST_ROWS = 5
_QUANTILES = 10
_FEW_VALUES = 10
# For so few bins comparing every value with every edge, which uses the processor's vector unit, is the fastest.
_MOST_COMPARED = 100

Count = Annotated[int, Field(ge=0)]


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


class Bins(Stored):
    """A reference cut into bins, with its rows in each of them.

    Attributes:
        kind: `quantiles`: bins of about equally many rows, open at both ends; `values`: a bin for each frequent value.
        points: in ascending order, the bins' upper ends (the value itself is inside; the last bin has none), or values.
        counts: rows of the reference in each of these bins.
        missing: rows without a value; they have a bin of their own unless they are rare.
        other: rows with a value that is none of `points`; always 0 for quantiles. Rare rows share one bin.
    """

    kind: Literal["quantiles", "values"]
    points: tuple[float, ...]
    counts: tuple[Count, ...]
    missing: Count
    other: Count = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(b <= a for a, b in pairwise(self.points)):
            raise ValueError("points must rise")
        if len(self.counts) != len(self.points) + (self.kind == "quantiles"):
            raise ValueError("there must be a count for each bin")
        if not self.rows:
            raise ValueError("a reference has at least one row")
        return self

    @classmethod
    def of(cls, values: NDArray[np.float64], *, nominal: bool = False) -> Self:
        """Cut a reference into bins.

        Args:
            values: (n,), n ≥ 1; NaN = missing.
            nominal: the values are codes without an order. Of numbers, only those with few different values get a bin
                for each.
        """
        known = values[~np.isnan(values)]
        found, counts = np.unique(known, return_counts=True)
        least = max(_LEAST_SHARE * len(values), _LEAST_ROWS)
        if nominal or len(found) <= _FEW_VALUES:
            frequent = counts >= least
            kept, other = tuple(found[frequent].tolist()), int(counts[~frequent].sum())
            rows = tuple(counts[frequent].tolist())
            return cls(kind="values", points=kept, counts=rows, missing=len(values) - len(known), other=other)
        # Ends of bins are values that occur, so a value that many rows share is never at the mercy of rounding.
        ends = np.unique(np.quantile(known, np.arange(1, _QUANTILES) / _QUANTILES, method="inverted_cdf"))
        kept, rows = _merged(ends, known, least)
        return cls(kind="quantiles", points=kept, counts=rows, missing=len(values) - len(known))

    def count(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many of `values`, (n,), lie in each bin; additive, (number of bins,)."""
        return np.bincount(self._bin_of, weights=_between(self._cuts, values), minlength=self._size).astype(np.int64)

    @cached_property
    def reference(self) -> NDArray[np.int64]:
        """The reference's rows in each bin, (number of bins,): those of `points`, missing (unless rare), rare rows."""
        rare = self.other + (0 if self._missing_apart else self.missing)
        return np.array([*self.counts, *([self.missing] if self._missing_apart else []), rare], dtype=np.int64)

    @property
    def rows(self) -> int:
        """The reference's rows."""
        return sum(self.counts) + self.missing + self.other

    @property
    def _missing_apart(self) -> bool:
        return self.missing >= max(_LEAST_SHARE * self.rows, _LEAST_ROWS)

    @property
    def _size(self) -> int:
        return len(self.counts) + 1 + self._missing_apart

    @cached_property
    def _cuts(self) -> NDArray[np.float64]:
        """Ends of intervals (from, to]; what is in none of them is missing."""
        points = np.array(self.points, dtype=np.float64)
        if self.kind == "values":  # an interval that holds nothing but the value, and one for what lies before it
            points = np.column_stack([np.nextafter(points, -np.inf), points]).ravel()
        return np.append(points, np.inf)

    @cached_property
    def _bin_of(self) -> NDArray[np.int64]:
        """The bin of each interval of `_cuts`, and of missing values."""
        rare = self._size - 1
        bins = np.arange(len(self._cuts))
        if self.kind == "values":
            bins = np.where(bins % 2 == 1, bins // 2, rare)
        return np.append(bins, len(self.counts) if self._missing_apart else rare)


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


def _merged(
    ends: NDArray[np.float64], known: NDArray[np.float64], least: float
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Ends and rows of quantile bins, each bin with too few rows merged into the next, the last into the one before."""
    kept: list[float] = []
    counts = [0]
    for end, rows in zip([*ends.tolist(), None], _between(np.append(ends, np.inf), known)[:-1].tolist(), strict=True):
        counts[-1] += int(rows)
        if end is not None and counts[-1] >= least:
            kept.append(end)
            counts.append(0)
    if kept and counts[-1] < least:
        kept.pop()
        rest = counts.pop()
        counts[-1] += rest
    return tuple(kept), tuple(counts)


def _between(cuts: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many values lie in each interval (from, to] of `cuts`, the last of which is ∞; then, how many are NaN."""
    if len(cuts) > _MOST_COMPARED:
        return np.bincount(np.searchsorted(cuts, values), minlength=len(cuts) + 1)  # NaN sorts after ∞
    apart = np.ascontiguousarray(values)
    up_to = [np.count_nonzero(apart <= cut) for cut in cuts]
    return np.diff([0, *up_to, len(values)])
