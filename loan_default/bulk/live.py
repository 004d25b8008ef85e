"""The rows of a job that enter the drift monitor's live window, where its caller asked for that.

They are drawn for the whole portfolio at once, so that a chunk that is scored again gives the same ones, and stand in
the parts, so that one that is not scored again gives its own. They are handed over together, when all rows are scored.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_default.drift_link.messages import MOST_ROWS, Rows


class Drawn:
    """Which rows of a portfolio are sampled."""

    def __init__(self, rows: int, share: float, most: int, seed: str) -> None:
        """Draw them.

        Args:
            rows: of the portfolio.
            share: of them that is sampled, 0 to 1.
            most: how many are sampled at most; never more than fit into one message.
            seed: the same draws the same.
        """
        random = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()))
        # Of three rows a tenth is one row in three portfolios of ten.
        count = min(int(share * rows + random.random()), rows, most, MOST_ROWS)
        self._numbers = np.sort(random.choice(rows, count, replace=False)) + 1

    def __len__(self) -> int:
        return len(self._numbers)

    def of(self, numbers: NDArray[np.int64], features: NDArray[np.float32], pd: NDArray[np.float64]) -> Rows | None:
        """The drawn ones of some scored rows; None when there are none.

        Args:
            numbers: (n,) where they stand in the portfolio, counted from 1.
            features: (n, number of features).
            pd: (n,).
        """
        places = np.flatnonzero(np.isin(numbers, self._numbers, assume_unique=True))
        return Rows.of(features[places], pd[places]) if len(places) else None


@dataclass(frozen=True)
class Live:
    """What a job does for the live window.

    Attributes:
        drawn: its rows that are handed over.
        hand_over: does it, once in a job's life, however often it is called; returns how many rows were taken.
    """

    drawn: Drawn
    hand_over: Callable[[Sequence[Rows]], int]
