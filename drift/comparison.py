"""Everything that a report shows: a verdict, and the bins that it follows from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drift.labels import labels
from loan_default.drift_link.messages import TrendPoint, Verdict
from loan_default.reference import PD, Reference

Counts = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Comparison:
    """A verdict with what is behind it.

    Attributes:
        verdict: what is said.
        window: rows in each bin, by feature and for the PD; empty while there is nothing to compare with.
        reference: the reference's rows, likewise.
        labels: what the bins are called, likewise.
        trend: the checks to be drawn, the oldest first; those of a verdict are only its latest.
        portfolio: the name of the file that was compared; None for live samples.
        rejected: rows of that file that could not be scored, and are left out.
    """

    verdict: Verdict
    window: Counts = field(default_factory=dict)
    reference: Counts = field(default_factory=dict)
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trend: Sequence[TrendPoint] = ()
    portfolio: str | None = None
    rejected: int = 0


def bin_labels(reference: Reference, words: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """What the bins are called, by feature and for the PD.

    Args:
        reference: whose bins.
        words: what the values 0, 1, … of features stand for, by name; numbers are not in it.
    """
    named = {name: labels(bins, words.get(name, ())) for name, bins in reference.features.items()}
    return {**named, PD: labels(reference.pd, percent=True)}
