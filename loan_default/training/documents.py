"""The documents of a training: its pictures, and the model card that gathers them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_default.model import LoanModel
from loan_default.reasons import contributions, importance
from loan_default.schema.columns import CategoryColumn
from loan_default.served import REGISTERED_NAME
from loan_default.training.card import Card, render
from loan_default.training.data import Dataset
from loan_default.training.gates import GateResult
from loan_default.training.measure import Evaluation, Measured
from loan_default.training.pictures import Contributed, Subject, draw
from loan_default.training.population import population

# More dots than this show nothing new, and a mean over them is exact to 1 % or so.
_MOST_EXPLAINED = 5_000


@dataclass(frozen=True)
class Told:
    """What is known of a training beside its model: figures, gates, and what the data checks warned of.

    `trials` is how many sets of options were tried for it; 0 when they were given.
    """

    measured: Measured
    evaluation: Evaluation
    gates: list[GateResult]
    warnings: list[str]
    history: list[str]
    trials: int = 0


def documents(model: LoanModel, told: Told, training: Dataset, holdout: Dataset) -> dict[str, bytes]:
    """Pictures, `model_card.html` and `model_card.md`, by file name."""
    pictures = draw(_subject(model, told, holdout))
    card = render(_card(model, told, training, pictures))
    return {
        **pictures,
        "model_card.html": card.html.encode("utf-8"),
        "model_card.md": card.markdown.encode("utf-8"),
    }


def _subject(model: LoanModel, told: Told, holdout: Dataset) -> Subject:
    values = model.features.values(_some(holdout.applicants, model.about.seed))
    contributed = contributions(model.booster, model.decision.calibration, model.schema, values.astype(np.float32))
    columns = model.schema.columns
    return Subject(
        out_of_fold=told.measured.out_of_fold,
        baseline=told.measured.baseline,
        without_smote=told.measured.without_smote,
        holdout=told.measured.holdout,
        threshold=model.decision.threshold,
        medium_from=model.decision.medium_from,
        importance=importance(model.schema, contributed),
        contributed=Contributed(
            names=model.schema.column_names,
            categories={each.name: each.categories for each in columns if isinstance(each, CategoryColumn)},
            values=values[:, : len(columns)],
            log_odds=contributed.values,
        ),
        slices=told.evaluation.slices,
    )


def _some(applicants: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """All of them, or as many as can be looked at."""
    if len(applicants) <= _MOST_EXPLAINED:
        return applicants
    return applicants[np.sort(np.random.default_rng(seed).choice(len(applicants), _MOST_EXPLAINED, replace=False))]


def _card(model: LoanModel, told: Told, training: Dataset, pictures: dict[str, bytes]) -> Card:
    about, figures, held_out = model.about, told.evaluation, told.measured.holdout.target
    return Card(
        name=REGISTERED_NAME,
        version=None,  # the registry gives the number after the card is stored with the model
        run_id=about.run_id,
        created_at=about.created_at,
        model_type=about.model_type,
        package_version=about.package_version,
        git_commit=about.git_commit,
        libraries=about.libraries,
        lock_sha256=about.lock_sha256,
        seed=about.seed,
        options=about.options,
        trials=told.trials,
        data_file=about.data or "",
        data_sha256=about.data_sha256,
        rows=len(training) + len(held_out),
        defaults=int(training.target.sum() + held_out.sum()),
        holdout_rows=len(held_out),
        holdout_defaults=int(held_out.sum()),
        schema=model.schema,
        decision=model.decision,
        policy=str(model.decision.policy),
        population=population(training, model.schema),
        out_of_fold=figures.out_of_fold,
        by_fold=figures.by_fold,
        baseline=figures.baseline,
        without_smote=figures.without_smote,
        holdout=figures.holdout,
        holdout_intervals=figures.holdout_intervals,
        gates=told.gates,
        slices=figures.slices,
        warnings=told.warnings,
        pictures=pictures,
        history=told.history,
    )
