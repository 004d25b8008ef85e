"""From XGBoost's raw margin to an answer: calibration, threshold and risk bands, and the policies that choose them.

The only owner of the threshold, so online and bulk scoring cannot disagree.
"""

import math
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(gt=0, lt=1)]
Band = Literal["Low", "Medium", "High"]


class Stored(BaseModel):
    """A part of a model that is kept as JSON; unknown keys, NaN and infinity are refused when it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Calibration(Stored):
    """Platt scaling: PD = sigmoid(slope × margin + intercept), where the margin is XGBoost's raw log-odds."""

    slope: Annotated[float, Field(gt=0)]
    intercept: float

    def pd(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities of default, (n,), from raw margins, (n,)."""
        # exp overflows to infinity for a hopeless margin, and 1 / (1 + inf) is the 0 it stands for.
        with np.errstate(over="ignore"):
            return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * margins + self.intercept))))


class RecallFloor(Stored):
    """The highest threshold that still catches a share of the defaults."""

    name: Literal["recall-floor"] = "recall-floor"
    recall_floor: Probability

    def __str__(self) -> str:
        return f"the highest threshold that catches {100 * self.recall_floor:g} % of the defaults"

    def threshold(self, pd: NDArray[np.float64], target: NDArray[np.int64]) -> float:
        """The threshold for out-of-fold PDs, (n,), and what came of them, (n,) with at least one default."""
        of_defaults = np.sort(pd[target == 1])[::-1]
        # Rounding first: 0.77 × 100 is 77.00000000000001, and must not become 78.
        needed = max(1, math.ceil(round(self.recall_floor * len(of_defaults), 9)))
        return float(of_defaults[needed - 1])


class MaxF1(Stored):
    """The threshold with the best F1, the harmonic mean of precision and recall."""

    name: Literal["max-f1"] = "max-f1"

    def __str__(self) -> str:
        return "the threshold with the best F1"

    def threshold(self, pd: NDArray[np.float64], target: NDArray[np.int64]) -> float:
        """The threshold for out-of-fold PDs, (n,), and what came of them, (n,) with at least one default."""
        thresholds, caught, declined = _by_threshold(pd, target)
        return float(thresholds[np.argmax(2 * caught / (declined + target.sum()))])


class Cost(Stored):
    """The threshold with the least cost, when a missed default costs `cost_ratio` times what a declined payer does."""

    name: Literal["cost"] = "cost"
    cost_ratio: Annotated[float, Field(gt=0)]

    def __str__(self) -> str:
        return f"the cheapest threshold when a missed default costs {self.cost_ratio:g} times a declined payer"

    def threshold(self, pd: NDArray[np.float64], target: NDArray[np.int64]) -> float:
        """The threshold for out-of-fold PDs, (n,), and what came of them, (n,) with at least one default."""
        thresholds, caught, declined = _by_threshold(pd, target)
        return float(thresholds[np.argmin(self.cost_ratio * (target.sum() - caught) + declined - caught)])


Policy = Annotated[RecallFloor | MaxF1 | Cost, Field(discriminator="name")]
PolicyName = Literal["recall-floor", "max-f1", "cost"]


def _by_threshold(
    pd: NDArray[np.float64], target: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Every PD that occurs, from the highest, with how many defaults and how many rows lie at or above it."""
    order = np.argsort(-pd, kind="stable")
    last = np.append(np.flatnonzero(np.diff(pd[order])), len(pd) - 1)  # equal PDs are declined together
    return pd[order][last], np.cumsum(target[order])[last], last + 1


class Decision(Stored):
    """What turns a margin into an answer.

    High is exactly `prediction == 1`, PD ≥ `threshold`; Medium is [`medium_from`, `threshold`); Low is below.
    """

    format: Literal[1] = 1
    calibration: Calibration
    threshold: Probability
    medium_from: Probability
    policy: Policy

    @classmethod
    def at(cls, threshold: float, calibration: Calibration, policy: Policy) -> Self:
        """The decision at a threshold, its Medium band starting at half of it."""
        return cls(calibration=calibration, threshold=threshold, medium_from=threshold / 2, policy=policy)

    def band(self, pd: float) -> Band:
        """The risk band of one PD."""
        if pd >= self.threshold:
            return "High"
        return "Medium" if pd >= self.medium_from else "Low"
