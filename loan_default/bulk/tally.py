"""What is counted of each chunk and added up for the summary."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from loan_default.bulk.check import Checked
from loan_default.bulk.summary import Summary
from loan_default.decision import Band, Decision, Stored
from loan_default.psi import Drift

BANDS: tuple[Band, ...] = ("Low", "Medium", "High")
_BINS = 100
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


class DriftWatch(Protocol):
    """Compares the rows of a job with the training population by counts that are added up over its chunks."""

    def counts(self, features: NDArray[np.float32], pd: NDArray[np.float64]) -> Mapping[str, Sequence[int]]:
        """Counts of some scored rows, by feature and for `pd`: always the same names and lengths.

        Args:
            features: (n, number of features), as the model sees them.
            pd: (n,) calibrated probabilities.
        """

    def drift(self, counts: Mapping[str, Sequence[int]]) -> dict[str, Drift]:
        """What the counts of all rows say."""


class Tally(Stored):
    """Counts of one chunk, or of several.

    Attributes:
        rows, rejected: of the source.
        bands: scored rows with each of `BANDS`.
        pd_sum: of the scored rows.
        pd_histogram: in bins of equal width.
        rejects_by_reason: problems by column and reason.
        unknown_categories: values scored as missing, by column.
        watched: what a `DriftWatch` counts.
    """

    rows: int = 0
    rejected: int = 0
    bands: tuple[int, int, int] = (0, 0, 0)
    pd_sum: float = 0.0
    pd_histogram: list[int] = Field(default_factory=lambda: [0] * _BINS)
    rejects_by_reason: dict[str, int] = Field(default_factory=dict)
    unknown_categories: dict[str, int] = Field(default_factory=dict)
    watched: dict[str, list[int]] = Field(default_factory=dict)

    @classmethod
    def of(
        cls, checked: Checked, bands: NDArray[np.int8], pd: NDArray[np.float64], watched: Mapping[str, Sequence[int]]
    ) -> Self:
        """The counts of a chunk, with bands, (n,), and PDs, (n,), of its good rows."""
        low, medium, high = np.bincount(bands, minlength=len(BANDS)).tolist()
        bins = np.minimum((pd * _BINS).astype(np.int64), _BINS - 1)
        return cls(
            rows=len(pd) + checked.rejected,
            rejected=checked.rejected,
            bands=(low, medium, high),
            pd_sum=float(pd.sum()),
            pd_histogram=np.bincount(bins, minlength=_BINS).tolist(),
            rejects_by_reason=checked.problems,
            unknown_categories=checked.unknown,
            watched={name: list(counts) for name, counts in watched.items()},
        )

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        low, medium, high = (a + b for a, b in zip(self.bands, other.bands, strict=True))
        return Tally(
            rows=self.rows + other.rows,
            rejected=self.rejected + other.rejected,
            bands=(low, medium, high),
            pd_sum=self.pd_sum + other.pd_sum,
            pd_histogram=_added(self.pd_histogram, other.pd_histogram),
            rejects_by_reason=dict(Counter(self.rejects_by_reason) + Counter(other.rejects_by_reason)),
            unknown_categories=dict(Counter(self.unknown_categories) + Counter(other.unknown_categories)),
            watched=_added_by_name(self.watched, other.watched),
        )

    @property
    def scored(self) -> int:
        """Rows that have a probability."""
        return self.rows - self.rejected

    @property
    def mean_pd(self) -> float | None:
        """Over the scored rows; None without any."""
        return self.pd_sum / self.scored if self.scored else None

    @property
    def pd_quantiles(self) -> dict[str, float]:
        """By share: the upper end of the bin that the quantile lies in; empty without scored rows."""
        upto = np.cumsum(self.pd_histogram)
        places = {share: int(np.searchsorted(upto, share * self.scored)) for share in _QUANTILES}
        return {str(share): (place + 1) / _BINS for share, place in places.items()} if self.scored else {}


def summarized(
    total: Tally, drift: dict[str, Drift] | None, model_version: str, run_id: str, seconds: float
) -> Summary:
    """The summary of a job, from the counts of all its chunks."""
    return Summary(
        rows=total.rows,
        scored=total.scored,
        rejected=total.rejected,
        bands=dict(zip(BANDS, total.bands, strict=True)),
        declined=total.bands[-1],
        mean_pd=total.mean_pd,
        pd_quantiles=total.pd_quantiles,
        pd_histogram=total.pd_histogram,
        rejects_by_reason=total.rejects_by_reason,
        unknown_categories=total.unknown_categories,
        drift=drift,
        model_version=model_version,
        model_run_id=run_id,
        seconds=seconds,
    )


def band_codes(pd: NDArray[np.float64], decision: Decision) -> NDArray[np.int8]:
    """The place in `BANDS` of each PD, (n,)."""
    return (pd >= decision.medium_from).astype(np.int8) + (pd >= decision.threshold)


def _added(a: Sequence[int], b: Sequence[int]) -> list[int]:
    return [x + y for x, y in zip(a, b, strict=True)]


def _added_by_name(a: dict[str, list[int]], b: dict[str, list[int]]) -> dict[str, list[int]]:
    if not a or not b:  # nothing counted yet
        return a or b
    return {name: _added(counts, b[name]) for name, counts in a.items()}
