"""The training command from the CSV to a served model: each stage in order, and nothing but the order.

Where a stage is done: `data.py`, `checks.py`, `split.py`, `fit.py`, `measure.py`, `gates.py`, `documents.py`, then
`registry.py`, `challenge.py` and `promotion.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from loan_default import __version__
from loan_default.errors import PromotionRefused
from loan_default.model import About, LoanModel
from loan_default.promotion import STAGES, Promotions, promotions, told_history
from loan_default.registry import (
    Registered,
    log_and_register,
    log_documents,
    log_figures,
    log_lineage,
    log_slices,
    tag_gates,
    training_run,
)
from loan_default.schema import load_schema
from loan_default.settings import Settings, Stage
from loan_default.training.challenge import challenge
from loan_default.training.checks import require_sensible
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.documents import Told, documents
from loan_default.training.fit import FitOptions, Fitted, fit_decision
from loan_default.training.gates import DEFAULT_GATES, GateResult, check_gates, stages_passed
from loan_default.training.lineage import git_commit, libraries, lock_sha256
from loan_default.training.measure import Evaluation, evaluate, fits_to_measure, measure
from loan_default.training.split import HOLDOUT_SHARE, holdout_cutoffs, holdout_mask

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


def train(settings: Settings, data_path: Path, schema_path: Path, options: FitOptions, narrator: Narrator) -> Outcome:
    """Train, evaluate, register, and promote to every stage whose gates pass.

    Raises:
        SchemaError, DataError: before anything is written.
    """
    schema = load_schema(schema_path)
    narrator.step(f"Reading {data_path}")
    data = read_dataset(data_path, schema)
    warnings = require_sensible(data, schema)
    for warning in warnings:
        narrator.warn(warning)
    held_out = holdout_mask(data, HOLDOUT_SHARE)
    training, holdout = data.rows(~held_out), data.rows(held_out)
    narrator.step(
        f"{len(data):,} applicants, {int(data.target.sum()):,} defaults; "
        f"{len(holdout):,} with {int(holdout.target.sum()):,} defaults held out by row hash"
    )
    progress = narrator.fitting(fits_to_measure(options) + options.fits_per_decision())
    fitted = fit_decision(training, schema, options, progress)
    measured = measure(training, holdout, fitted, options, progress)
    narrator.step("Measuring: out of fold, on the hold-out, without SMOTE, and logistic regression beside it")
    evaluation = evaluate(measured, training, schema, options.seed)
    gates = check_gates(schema.gates or DEFAULT_GATES, evaluation.out_of_fold, evaluation.holdout_intervals)
    with training_run(settings) as run_id:
        narrator.step(f"Logging to MLflow, run {run_id}")
        model = _describe(fitted, evaluation, data, options, run_id, data_path)
        log_figures(settings, _parameters(model, options, data_path), evaluation.flat())
        log_slices(settings, [each.as_dict() for each in evaluation.slices])
        log_lineage(settings, model.about)
        told = Told(measured, evaluation, gates, warnings, told_history(settings))
        papers = documents(model, told, training)
        log_documents(settings, papers)
        registered = log_and_register(settings, model, papers)
    tag_gates(settings, registered, {stage: stage in stages_passed(gates) for stage in STAGES})
    narrator.step(f"Registered as version {registered.version}")
    promoted, held_back = _promote(settings, _Candidate(model, registered, data_path), gates, narrator)
    return Outcome(model, evaluation, gates, registered, promoted, held_back)


@dataclass(frozen=True)
class _Candidate:
    """A registered model that would like to be promoted, and the file it was trained on."""

    model: LoanModel
    registered: Registered
    data_path: Path


def _promote(
    settings: Settings, candidate: _Candidate, gates: list[GateResult], narrator: Narrator
) -> tuple[list[Stage], list[str]]:
    """Promote to every stage that nothing speaks against; returns these, and what spoke against the others."""
    promoted: list[Stage] = []
    held_back: list[str] = []
    with promotions(settings) as desk:
        for stage in STAGES:
            try:
                reason = _reason_to_promote(desk, candidate, stage, gates, narrator)
                served = desk.promote(candidate.registered, stage, reason)
            except PromotionRefused as error:
                desk.refuse(candidate.registered, stage, error.message)
                held_back.append(error.message)
            else:
                promoted.append(stage)
                narrator.step(f"Promoted to {stage}: {served.tag} in the BentoML store")
    return promoted, held_back


def _reason_to_promote(
    desk: Promotions, candidate: _Candidate, stage: Stage, gates: list[GateResult], narrator: Narrator
) -> str:
    """Why a candidate may be promoted; raises PromotionRefused when a gate or the champion stands in the way."""
    version = candidate.registered.version
    failed = [str(gate) for gate in gates if gate.stage == stage and not gate.passed]
    if failed:
        raise PromotionRefused(f"Version {version} was not promoted to {stage}: {'; '.join(failed)}.")
    champion = desk.champion(stage) if stage == "production" else None
    if champion is None:
        return "passed its gates"
    model = LoanModel.load(champion.model_folder)
    verdict = challenge(candidate.model, model, candidate.data_path, candidate.model.about.seed)
    narrator.step(f"Champion {champion.tag}: {verdict.text}")
    if verdict.refused:
        raise PromotionRefused(f"Version {version} was not promoted to {stage}: {verdict.text}.")
    return f"passed its gates; {verdict.text}"


def _describe(  # noqa: PLR0913, PLR0917  # everything a model says of itself
    fitted: Fitted, evaluation: Evaluation, data: Dataset, options: FitOptions, run_id: str, data_path: Path
) -> LoanModel:
    about = About(
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
