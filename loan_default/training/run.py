"""The training command from the CSV to a served model: each stage in order, and nothing but the order.

Where a stage is done: `data.py`, `checks.py`, `split.py`, `fit.py`, `measure.py`, `gates.py`, `documents.py`, then
`registry.py`, `challenge.py` and `promotion.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from loan_default import __version__
from loan_default.features import Features
from loan_default.model import About, LoanModel
from loan_default.promotion import STAGES, told_history
from loan_default.reference import Reference
from loan_default.registry import Registered, log_and_register, tag_gates
from loan_default.schema import Schema, load_schema
from loan_default.settings import Settings, Stage
from loan_default.tracking import (
    log_documents,
    log_figures,
    log_gates,
    log_lineage,
    log_slices,
    log_trial,
    training_run,
)
from loan_default.training.checks import require_sensible
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.documents import Told, documents
from loan_default.training.fit import FitOptions, Fitted, fit_decision
from loan_default.training.gates import DEFAULT_GATES, GateResult, check_gates, stages_passed
from loan_default.training.lineage import git_commit, libraries, lock_sha256
from loan_default.training.measure import Evaluation, Measured, evaluate, fits_to_measure, measure
from loan_default.training.nominate import Candidate, nominate
from loan_default.training.slices import as_dicts
from loan_default.training.split import HOLDOUT_SHARE, holdout_cutoffs, holdout_mask

if TYPE_CHECKING:
    from loan_default.training.search import Trial

MODEL_TYPE = "XGBoost, SMOTE in training, Platt-calibrated"


class Narrator(Protocol):
    """Tells a person what is going on; `report.py` has one for the terminal."""

    def step(self, text: str) -> None:
        """A stage begins."""

    def warn(self, text: str) -> None:
        """Something about the data that a person should look at."""

    def fitting(self, total: int) -> Callable[[], None]:
        """A stage with `total` fits begins; the answer is called after each."""

    def searching(self, total: int) -> Callable[[float], None]:
        """A search of `total` trials begins; the answer is called after each with the best objective so far."""


@dataclass(frozen=True)
class Outcome:
    """What a training ended with.

    Attributes:
        promoted: the stages whose model it is now.
        held_back: why a stage did not get it: a gate, the champion, or a running service's callers.
    """

    model: LoanModel
    evaluation: Evaluation
    gates: list[GateResult]
    registered: Registered
    promoted: list[Stage]
    held_back: list[str]


@dataclass(frozen=True)
class Order:
    """What to train: a file, its declaration, options, and how many trials to look for better ones (0: none)."""

    data_path: Path
    schema_path: Path
    options: FitOptions
    trials: int = 0


def train(settings: Settings, order: Order, narrator: Narrator) -> Outcome:
    """Train, evaluate, register, and promote to every stage that nothing speaks against.

    Raises:
        SchemaError, DataError: before anything is written.
    """
    schema = load_schema(order.schema_path)
    narrator.step(f"Reading {order.data_path}")
    data = read_dataset(order.data_path, schema)
    warnings = require_sensible(data, schema)
    for warning in warnings:
        narrator.warn(warning)
    held_out = holdout_mask(data, HOLDOUT_SHARE)
    training, holdout = data.rows(~held_out), data.rows(held_out)
    narrator.step(
        f"{len(data):,} applicants, {int(data.target.sum()):,} defaults; "
        f"{len(holdout):,} with {int(holdout.target.sum()):,} defaults held out by row hash"
    )
    options, trials = _searched(order, training, schema, narrator)
    progress = narrator.fitting(fits_to_measure(options) + options.fits_per_decision())
    fitted = fit_decision(training, schema, options, progress)
    measured = measure(training, holdout, fitted, options, progress)
    narrator.step("Measuring: out of fold, on the hold-out, without SMOTE, and logistic regression beside it")
    evaluation = evaluate(measured, training, schema, options)
    gates = check_gates(schema.gates or DEFAULT_GATES, evaluation.out_of_fold, evaluation.holdout_intervals)
    with training_run(settings) as run_id:
        narrator.step(f"Logging to MLflow, run {run_id}")
        about = _about(evaluation, data, options, run_id, order.data_path)
        reference = _reference(fitted, training, measured)
        model = LoanModel.assemble(fitted.schema, fitted.booster, fitted.decision, about, reference)
        log_figures(settings, _parameters(model, order), evaluation.flat())
        for trial in trials:
            log_trial(settings, f"trial {trial.number}", trial.options.model_dump(), trial.figures, trial.failure)
        log_slices(settings, as_dicts(evaluation.slices))
        log_gates(settings, [gate.as_dict() for gate in gates])
        log_lineage(settings, model.about)
        told = Told(measured, evaluation, gates, warnings, told_history(settings), order.trials)
        papers = documents(model, told, training, holdout)
        log_documents(settings, papers)
        registered = log_and_register(settings, model, papers)
    tag_gates(settings, registered, {stage: stage in stages_passed(gates) for stage in STAGES})
    narrator.step(f"Registered as version {registered.version}")
    candidate = Candidate(model, registered, order.data_path)
    promoted, held_back = nominate(settings, candidate, gates, narrator.step)
    return Outcome(model, evaluation, gates, registered, promoted, held_back)


def _searched(order: Order, training: Dataset, schema: Schema, narrator: Narrator) -> tuple[FitOptions, list["Trial"]]:
    """The options to train with, and the trials that led to them."""
    if not order.trials:
        return order.options, []
    trials: list[Trial] = []
    tell = narrator.searching(order.trials)

    def on_trial(trial: "Trial") -> None:
        trials.append(trial)
        tell(trial.best_so_far)

    # Imported here: Optuna takes a second, and most trainings do without it.
    from loan_default.training.search import search

    return search(training, schema, order.options, order.trials, on_trial), trials


def _about(evaluation: Evaluation, data: Dataset, options: FitOptions, run_id: str, data_path: Path) -> About:
    return About(
        run_id=run_id,
        created_at=datetime.now(UTC).replace(microsecond=0),
        model_type=MODEL_TYPE,
        package_version=__version__,
        data_sha256=data.sha256,
        seed=options.seed,
        metrics=evaluation.flat(),
        data=data_path.name,
        options=options.model_dump(),
        holdout_cutoffs=holdout_cutoffs(data, HOLDOUT_SHARE),
        git_commit=git_commit(),
        lock_sha256=lock_sha256(),
        libraries=libraries(),
    )


def _reference(fitted: Fitted, training: Dataset, measured: Measured) -> Reference:
    """The training rows in bins; their PDs would be too certain, so those of the hold-out stand for them."""
    features = Features(fitted.schema).matrix(training.applicants)
    return Reference.of(fitted.schema, features, measured.holdout.pd)


def _parameters(model: LoanModel, order: Order) -> dict[str, object]:
    return {
        **model.about.options,
        "data": model.about.data,
        "data_sha256": model.about.data_sha256,
        "schema": model.schema.name,
        "schema_sha256": model.schema.sha256,
        "holdout_share": HOLDOUT_SHARE,
        "trials": order.trials,
        "threshold": model.decision.threshold,
        "calibration_slope": model.decision.calibration.slope,
        "calibration_intercept": model.decision.calibration.intercept,
    }
