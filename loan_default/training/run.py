"""The training command from the CSV to a served model: each stage in order, and nothing but the order.

Where a stage is done: `data.py`, `split.py`, `fit.py`, `evaluate.py`, `gates.py`, then `registry.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from loan_default import __version__
from loan_default.errors import PromotionRefused
from loan_default.model import About, LoanModel
from loan_default.registry import Registered, log_and_register, log_figures, log_slices, promote, training_run
from loan_default.schema import load_schema
from loan_default.settings import Settings, Stage
from loan_default.training.checks import require_sensible
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.evaluate import Figures, Intervals, Predictions, out_of_fold, out_of_fold_baseline
from loan_default.training.fit import FitOptions, Fitted, fit_decision
from loan_default.training.gates import DEFAULT_GATES, GateResult, check_gates, stages_passed
from loan_default.training.slices import Slice, slices
from loan_default.training.split import holdout_mask

HOLDOUT_SHARE = 0.2
MODEL_TYPE = "XGBoost, SMOTE in training, Platt-calibrated"


class Narrator(Protocol):
    """Tells a person what is going on; `report.py` has one for the terminal."""

    def step(self, text: str) -> None:
        """A stage begins."""

    def warn(self, text: str) -> None:
        """Something about the data that a person should look at."""

    def fitting(self, total: int) -> Callable[[], None]:
        """A stage with `total` fits begins; the answer is called after each."""


@dataclass(frozen=True)
class Evaluation:
    """All figures of one training."""

    out_of_fold: Figures
    baseline: Figures
    holdout: Figures
    holdout_intervals: Intervals
    slices: list[Slice]

    def flat(self) -> dict[str, float]:
        """One name for each figure, as MLflow and `about.json` keep them."""
        named = {
            "oof": self.out_of_fold,
            "logistic_oof": self.baseline,
            "holdout": self.holdout,
            "holdout_low": {name: low for name, (low, _) in self.holdout_intervals.items()},
            "holdout_high": {name: high for name, (_, high) in self.holdout_intervals.items()},
        }
        return {f"{prefix}_{name}": value for prefix, figures in named.items() for name, value in figures.items()}


@dataclass(frozen=True)
class Outcome:
    """What a training ended with.

    Attributes:
        promoted: the stages whose model it is now.
        held_back: why a stage whose gates passed did not get it: a running service's callers would break.
    """

    model: LoanModel
    evaluation: Evaluation
    gates: list[GateResult]
    registered: Registered
    promoted: list[Stage]
    held_back: list[str]


def train(settings: Settings, data_path: Path, schema_path: Path, options: FitOptions, narrator: Narrator) -> Outcome:
    """Train, evaluate, register, and promote to every stage whose gates pass.

    Raises:
        SchemaError, DataError: before anything is written.
    """
    schema = load_schema(schema_path)
    narrator.step(f"Reading {data_path}")
    data = read_dataset(data_path, schema)
    for warning in require_sensible(data, schema):
        narrator.warn(warning)
    held_out = holdout_mask(data, HOLDOUT_SHARE)
    training, holdout = data.rows(~held_out), data.rows(held_out)
    narrator.step(
        f"{len(data):,} applicants, {int(data.target.sum()):,} defaults; "
        f"{len(holdout):,} with {int(holdout.target.sum()):,} defaults held out by row hash"
    )
    fits = options.fits_per_decision()
    progress = narrator.fitting(fits * (options.folds + 1))
    predictions = out_of_fold(training, schema, options, progress)
    fitted = fit_decision(training, schema, options, progress)
    narrator.step("Measuring: out of fold, on the hold-out, and logistic regression beside it")
    on_holdout = _predict(fitted, holdout)
    evaluation = Evaluation(
        out_of_fold=predictions.figures(),
        baseline=out_of_fold_baseline(training, schema, options).figures(),
        holdout=on_holdout.figures(),
        holdout_intervals=on_holdout.intervals(options.seed),
        slices=slices(training, schema, predictions),
    )
    gates = check_gates(schema.gates or DEFAULT_GATES, evaluation.out_of_fold, evaluation.holdout_intervals)
    with training_run(settings) as run_id:
        narrator.step(f"Logging to MLflow, run {run_id}")
        model = _describe(fitted, evaluation, data, options, run_id)
        log_figures(settings, _parameters(model, options, data_path), evaluation.flat())
        log_slices(settings, [each.as_dict() for each in evaluation.slices])
        registered = log_and_register(settings, model)
    narrator.step(f"Registered as version {registered.version}")
    promoted: list[Stage] = []
    held_back: list[str] = []
    for stage in stages_passed(gates):
        try:
            served = promote(settings, registered, stage)
        except PromotionRefused as error:
            held_back.append(error.message)
        else:
            promoted.append(stage)
            narrator.step(f"Promoted to {stage}: {served.tag} in the BentoML store")
    return Outcome(model, evaluation, gates, registered, promoted, held_back)


def _predict(fitted: Fitted, data: Dataset) -> Predictions:
    pd = fitted.pd(data.applicants)
    return Predictions(pd, pd >= fitted.decision.threshold, data.target)


def _describe(fitted: Fitted, evaluation: Evaluation, data: Dataset, options: FitOptions, run_id: str) -> LoanModel:
    about = About(
        run_id=run_id,
        created_at=datetime.now(UTC).replace(microsecond=0),
        model_type=MODEL_TYPE,
        package_version=__version__,
        data_sha256=data.sha256,
        seed=options.seed,
        metrics=evaluation.flat(),
    )
    return LoanModel.assemble(fitted.schema, fitted.booster, fitted.decision, about)


def _parameters(model: LoanModel, options: FitOptions, data_path: Path) -> dict[str, object]:
    return {
        **options.model_dump(),
        "data": data_path.name,
        "data_sha256": model.about.data_sha256,
        "schema": model.schema.name,
        "threshold": model.decision.threshold,
        "calibration_slope": model.decision.calibration.slope,
        "calibration_intercept": model.decision.calibration.intercept,
    }
