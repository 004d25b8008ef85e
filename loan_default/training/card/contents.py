"""What a card says, before it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from loan_default.decision import Decision
from loan_default.schema import Schema
from loan_default.training.evaluate import Figures, Intervals
from loan_default.training.gates import GateResult
from loan_default.training.population import Population
from loan_default.training.slices import Slice

LABELS = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier score",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "mean_pd_to_base_rate": "mean PD / base rate",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}


@dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        version: of the registered model; None before it is registered.
        policy: how the threshold was chosen, in words without a full stop.
        trials: how many sets of options were tried; 0 when they were given.
        rows: of the data file, hold-out included; `defaults` likewise.
        population: how the training rows are spread.
        by_fold: the lowest and the highest of each out-of-fold figure over the folds.
        baseline: figures of logistic regression on the same folds.
        without_smote: figures of the same procedure with SMOTE switched off, when they were measured.
        warnings: what the checks of the data pointed out.
        pictures: PNG by file name, as `pictures.draw` gives them. The Markdown expects them beside itself.
        history: lines of the promotion history.
    """

    name: str
    version: str | None
    run_id: str
    created_at: datetime
    model_type: str
    package_version: str
    git_commit: str | None
    libraries: Mapping[str, str]
    lock_sha256: str | None
    seed: int
    options: Mapping[str, object]
    trials: int
    data_file: str
    data_sha256: str
    rows: int
    defaults: int
    holdout_rows: int
    holdout_defaults: int
    schema: Schema
    decision: Decision
    policy: str
    population: Population
    out_of_fold: Figures
    by_fold: Intervals
    baseline: Figures
    without_smote: Figures | None
    holdout: Figures
    holdout_intervals: Intervals
    gates: Sequence[GateResult]
    slices: Sequence[Slice]
    warnings: Sequence[str]
    pictures: Mapping[str, bytes]
    history: Sequence[str]
