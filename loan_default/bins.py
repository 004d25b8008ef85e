"""A reference cut into bins, and values counted in them; `psi.py` compares the counts.

The bins are the reference's own: ends of equal width would follow the first outlier, and with it all other rows would
lie in one bin.
"""

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from loan_default.decision import Stored

# A bin with less of the reference is merged into another: PSI jumps when single rows move in or out of it.
_LEAST_SHARE = 0.005
_LEAST_ROWS = 5
_QUANTILES = 10
_FEW_VALUES = 10
# For so few bins comparing every value with every edge, which uses the processor's vector unit, is the fastest.
_MOST_COMPARED = 100

Count = Annotated[int, Field(ge=0)]
Values: TypeAlias = NDArray[np.float32] | NDArray[np.float64]


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
    def of(cls, values: Values, *, nominal: bool = False) -> Self:
        """Cut a reference into bins.

        Args:
            values: (n,), n ≥ 1; NaN = missing. What is counted later must be floats of the same kind: in another,
                values that an end of a bin stands for may lie beyond it.
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

    def count(self, values: Values) -> NDArray[np.int64]:
        """How many of `values`, (n,), lie in each bin; additive, (number of bins,)."""
        intervals = _between(self._cuts(values.dtype), values)
        return np.bincount(self._bin_of, weights=intervals, minlength=self._size).astype(np.int64)

    def codes(self, values: Values) -> NDArray[np.uint16]:
        """The bin that each of `values`, (n,), lies in, as `count` counts them: its place in `reference`."""
        places = np.searchsorted(self._cuts(values.dtype), values)  # NaN sorts after ∞
        return self._bin_of[places].astype(np.uint16)

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

    def _cuts(self, kind: np.dtype[np.floating]) -> Values:
        """Ends of intervals (from, to] among floats of this kind; what is in none of them is missing."""
        points = np.array(self.points, dtype=kind)
        if self.kind == "values":  # an interval that holds nothing but the value, and one for what lies before it
            points = np.column_stack([np.nextafter(points, kind.type(-np.inf)), points]).ravel()
        return np.append(points, kind.type(np.inf))

    @cached_property
    def _bin_of(self) -> NDArray[np.int64]:
        """The bin of each interval of `_cuts`, and of missing values."""
        rare = self._size - 1
        bins = np.arange(len(self.counts))
        if self.kind == "values":
            bins = np.append(np.column_stack([np.full_like(bins, rare), bins]).ravel(), rare)
        return np.append(bins, len(self.counts) if self._missing_apart else rare)


def _merged(ends: Values, known: Values, least: float) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Ends and rows of quantile bins, each bin with too few rows merged into the next, the last into the one before."""
    cuts = np.full(len(ends) + 1, np.inf, dtype=ends.dtype)
    cuts[:-1] = ends
    intervals = _between(cuts, known)[:-1]
    kept: list[float] = []
    counts = [0]
    for end, rows in zip([*ends.tolist(), None], intervals.tolist(), strict=True):
        counts[-1] += int(rows)
        if end is not None and counts[-1] >= least:
            kept.append(end)
            counts.append(0)
    if kept and counts[-1] < least:
        kept.pop()
        rest = counts.pop()
        counts[-1] += rest
    return tuple(kept), tuple(counts)


def _between(cuts: Values, values: Values) -> NDArray[np.int64]:
    """How many values lie in each interval (from, to] of `cuts`, the last of which is ∞; then, how many are NaN."""
    if len(cuts) > _MOST_COMPARED:
        return np.bincount(np.searchsorted(cuts, values), minlength=len(cuts) + 1)  # NaN sorts after ∞
    apart = np.ascontiguousarray(values)
    up_to = [np.count_nonzero(apart <= cut) for cut in cuts]
    return np.diff([0, *up_to, len(values)])
