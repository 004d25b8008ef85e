"""Measures one training: out of fold, on the hold-out, without SMOTE, and with logistic regression beside it."""

from collections.abc import Callable
from dataclasses import dataclass

from loan_default.schema import Schema
from loan_default.training.data import Dataset
from loan_default.training.evaluate import Figures, Intervals, Predictions, out_of_fold, out_of_fold_baseline
from loan_default.training.fit import FitOptions, Fitted, folds
from loan_default.training.slices import Slice, slices


@dataclass(frozen=True)
class Measured:
    """What was predicted, from which all figures and pictures follow; `without_smote` is None when SMOTE is off."""

    out_of_fold: Predictions
    without_smote: Predictions | None
    baseline: Predictions
    holdout: Predictions


@dataclass(frozen=True)
class Evaluation:
    """All figures of one training; `by_fold` has the lowest and the highest of each out-of-fold figure."""

    out_of_fold: Figures
    by_fold: Intervals
    without_smote: Figures | None
    baseline: Figures
    holdout: Figures
    holdout_intervals: Intervals
    slices: list[Slice]

    def flat(self) -> dict[str, float]:
        """One name for each figure, as MLflow and `about.json` keep them."""
        named = {
            "oof": self.out_of_fold,
            "without_smote_oof": self.without_smote or {},
            "logistic_oof": self.baseline,
            "holdout": self.holdout,
            "holdout_low": {name: low for name, (low, _) in self.holdout_intervals.items()},
            "holdout_high": {name: high for name, (_, high) in self.holdout_intervals.items()},
        }
        return {f"{prefix}_{name}": value for prefix, figures in named.items() for name, value in figures.items()}


def fits_to_measure(options: FitOptions) -> int:
    """How many models `measure` fits."""
    return options.fits_per_decision() * options.folds * (2 if options.smote_ratio else 1)


def measure(
    training: Dataset, holdout: Dataset, fitted: Fitted, options: FitOptions, progress: Callable[[], None]
) -> Measured:
    """Predict for rows that each model did not see, on the same folds for all of them."""
    schema = fitted.schema
    without = None
    if options.smote_ratio:
        without = out_of_fold(training, schema, options.model_copy(update={"smote_ratio": 0.0}), progress)
    pd = fitted.pd(holdout.applicants)
    return Measured(
        out_of_fold=out_of_fold(training, schema, options, progress),
        without_smote=without,
        baseline=out_of_fold_baseline(training, schema, options),
        holdout=Predictions(pd, pd >= fitted.decision.threshold, holdout.target),
    )


def evaluate(measured: Measured, training: Dataset, schema: Schema, options: FitOptions) -> Evaluation:
    """The figures of what was predicted."""
    return Evaluation(
        out_of_fold=measured.out_of_fold.figures(),
        by_fold=_by_fold(measured.out_of_fold, training, options),
        without_smote=None if measured.without_smote is None else measured.without_smote.figures(),
        baseline=measured.baseline.figures(),
        holdout=measured.holdout.figures(),
        holdout_intervals=measured.holdout.intervals(options.seed),
        slices=slices(training, schema, measured.out_of_fold),
    )


def _by_fold(predictions: Predictions, training: Dataset, options: FitOptions) -> Intervals:
    of_folds = [predictions.rows(test).figures() for _, test in folds(training, options)]
    return {name: (min(of[name] for of in of_folds), max(of[name] for of in of_folds)) for name in of_folds[0]}
