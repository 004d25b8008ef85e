"""Whether a model may be promoted: floors and ceilings for each stage.

A gate holds an out-of-fold figure against its limit. A hold-out of 2,000 rows has some 67 defaults, so a gate on its
point estimate would be a coin flip: the hold-out vetoes only when its whole 95 % interval lies on the wrong side.
"""

from dataclasses import asdict, dataclass
from typing import Literal

from loan_default.schema.declaration import Gates, StageGates
from loan_default.settings import Stage
from loan_default.training.evaluate import Figures, Intervals

Side = Literal["at least", "at most"]

STAGES: tuple[Stage, ...] = ("production", "staging")
CEILINGS = frozenset({"brier", "calibration_error"})

# For a declaration without gates of its own.
DEFAULT_GATES = Gates(
    production=StageGates(
        accuracy=0.88, recall=0.75, f1=0.30, roc_auc=0.85, pr_auc=0.35, brier=0.026, calibration_error=0.010
    ),
    staging=StageGates(
        accuracy=0.85, recall=0.70, f1=0.25, roc_auc=0.80, pr_auc=0.25, brier=0.030, calibration_error=0.020
    ),
)


@dataclass(frozen=True)
class GateResult:
    """One gate for one stage, with what it looked at."""

    figure: str
    stage: Stage
    side: Side
    limit: float
    out_of_fold: float
    holdout: tuple[float, float]

    @property
    def passed(self) -> bool:
        """Whether the out-of-fold figure is on the good side and the hold-out does not rule it out."""
        low, high = self.holdout
        if self.side == "at least":
            return self.out_of_fold >= self.limit and high >= self.limit
        return self.out_of_fold <= self.limit and low <= self.limit

    def as_dict(self) -> dict[str, object]:
        """Everything of it and the verdict, for JSON."""
        return {**asdict(self), "passed": self.passed}

    def __str__(self) -> str:
        low, high = self.holdout
        return (
            f"{self.figure} {self.out_of_fold:.4f} must be {self.side} {self.limit:g} for {self.stage} "
            f"(hold-out {low:.4f} to {high:.4f})"
        )


def check_gates(gates: Gates, out_of_fold: Figures, holdout: Intervals) -> list[GateResult]:
    """Every gate of every stage."""
    return [
        GateResult(
            figure, stage, "at most" if figure in CEILINGS else "at least", limit, out_of_fold[figure], holdout[figure]
        )
        for figure in StageGates.model_fields
        for stage in STAGES
        if (limit := getattr(getattr(gates, stage), figure)) is not None
    ]


def stages_passed(results: list[GateResult]) -> list[Stage]:
    """The stages whose gates all passed."""
    failed = {result.stage for result in results if not result.passed}
    return [stage for stage in STAGES if stage not in failed]
