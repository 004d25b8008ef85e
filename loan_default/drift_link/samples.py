"""Which online predictions are sampled, and the bounded buffer they wait in until they are handed over.

Each row is sampled by itself with the same probability. Drawing how many rows are passed over until the next one
(a geometric number) gives the same as a draw for each row, and costs a row that is not sampled next to nothing.
"""

import math
import random
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loan_default.drift_link.messages import MOST_ROWS
from loan_default.metrics import DRIFT_DROPPED

if TYPE_CHECKING:  # at run time XGBoost comes with the model
    from loan_default.model import LoanModel
    from loan_default.served import Served

# Rows of a worker that may wait: minutes at the default rate and full load, a few MB.
MOST_WAITING = 50_000


class Waiting(NamedTuple):
    """Sampled rows of one scoring call: features, (n, number of features), and PDs, (n,)."""

    sampler: "Sampler"
    features: NDArray[np.float32]
    pd: NDArray[np.float64]


class Samples:
    """The samples of one worker that wait."""

    def __init__(self, rate: float, most: int = MOST_WAITING) -> None:
        """`rate`: the share of predictions that are sampled, 0 to 1; `most`: rows that may wait."""
        self.rate = rate
        self._most = most
        self._rows = 0
        self._waiting: deque[Waiting] = deque()

    def __len__(self) -> int:
        return self._rows

    def sampler(self, served: "Served", model: "LoanModel") -> "Sampler | None":
        """What samples the predictions of a model; None where nothing is sampled."""
        return Sampler(self, served, model) if self.rate > 0 else None

    def add(self, waiting: Waiting) -> None:
        """Keep rows until they are taken; with too many of them waiting they are dropped and counted."""
        rows = len(waiting.pd)
        if self._rows + rows > self._most:
            DRIFT_DROPPED.labels("overrun").inc(rows)
            return
        self._rows += rows
        self._waiting.append(waiting)

    def take(self) -> Waiting | None:
        """The rows that wait longest, all of one model and at most `MOST_ROWS`; None when nothing waits."""
        if not self._waiting:
            return None
        parts = [self._waiting.popleft()]
        sampler, rows = parts[0].sampler, len(parts[0].pd)
        while self._waiting and self._waiting[0].sampler is sampler:
            rows += len(self._waiting[0].pd)
            if rows > MOST_ROWS:
                break
            parts.append(self._waiting.popleft())
        taken = Waiting(
            sampler, np.concatenate([part.features for part in parts]), np.concatenate([part.pd for part in parts])
        )
        self._rows -= len(taken.pd)
        return taken


class Sampler:
    """Samples the predictions of one model."""

    def __init__(self, samples: Samples, served: "Served", model: "LoanModel") -> None:
        self.served = served
        self.model = model
        self._samples = samples
        rate = samples.rate
        self._scale = 1 / math.log1p(-rate) if rate < 1 else 0.0
        self._skip = self._next()

    def offer(self, features: NDArray[np.float32], pd: NDArray[np.float64]) -> None:
        """Take a sample of scored rows: features, (n, number of features), and PDs, (n,); never waits, never fails."""
        rows = len(pd)
        if self._skip >= rows:
            self._skip -= rows
            return
        chosen = []
        place = self._skip
        while place < rows:
            chosen.append(place)
            place += 1 + self._next()
        self._skip = place - rows
        self._samples.add(Waiting(self, features[chosen], pd[chosen]))

    def _next(self) -> int:
        """How many rows to pass over until the next sample."""
        # 1 - random() is never 0, whose logarithm there is not.
        return int(math.log(1.0 - random.random()) * self._scale)  # noqa: S311  # no secret
