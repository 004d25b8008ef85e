"""From XGBoost's raw margin to an answer: calibration, threshold and risk bands, and the policy that chose them.

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


class Policy(Stored):
    """How the threshold was chosen."""

    name: Literal["recall-floor"]
    recall_floor: Probability


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


def highest_threshold(pd: NDArray[np.float64], target: NDArray[np.int64], recall_floor: float) -> float:
    """The highest threshold at which at least `recall_floor` of the defaults are caught (PD ≥ threshold).

    Args:
        pd: (n,) out-of-fold probabilities.
        target: (n,) 1 for a default, 0 otherwise; at least one default.
        recall_floor: in (0, 1].
    """
    of_defaults = np.sort(pd[target == 1])[::-1]
    # Rounding first: 0.77 × 100 is 77.00000000000001, and must not become 78.
    needed = max(1, math.ceil(round(recall_floor * len(of_defaults), 9)))
    return float(of_defaults[needed - 1])
