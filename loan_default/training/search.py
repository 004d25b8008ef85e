"""Searches for better options than the given ones: TPE (Bergstra et al., NeurIPS 2011) by way of Optuna.

A trial is judged by the log loss of its calibrated PDs, out of fold. Log loss is a proper scoring rule: the true
probabilities have the lowest, so both ranking and calibration count, and no threshold has a say. Average precision
would let any calibration pass, and hangs on the few highest scores.

Calibration is fitted anew in each trial, by Platt scaling; it is not a choice. A straight line in log-odds is what lets
exact contributions pass through it unchanged (`reasons.py`), and a scale and a shift are what SMOTE distorts.

For speed there are no folds within folds: the margins of a fold come from a booster fitted to the other folds, and so
does its calibration, from those folds' own out-of-fold margins, whose boosters did see the fold. No trial is stopped
after a few folds: it takes seconds, and what the first folds say of options is mostly chance.

What the answer is worth: the best of many noisy figures looks better than it is, the more so the more trials. On the
default data another draw of the folds moves the difference between two sets of options by 0.0004, and the defaults can
hardly be beaten by more. The objective of the best trial is therefore not what a training reports; that is measured
anew, folds within folds, on folds drawn with another seed. But these are the same rows, so a little of that optimism
stays in the out-of-fold figures of options found here. The hold-out has none of it: `search` gets training rows only.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from loan_default.errors import DataError
from loan_default.features import Features
from loan_default.margins import raw_margins
from loan_default.schema import Schema
from loan_default.training.data import Dataset
from loan_default.training.evaluate import Figures, calibration_error
from loan_default.training.fit import FitOptions, as_learnt, fit_booster, fit_calibration, folds

OBJECTIVE = "log_loss"  # the lower, the better
_SIGNIFICANT_DIGITS = 3
_OWN_FOLDS = 1_000_003  # added to the seed, so that nobody reports figures on the folds that chose the options
_SEEDS = 2**32


@dataclass(frozen=True)
class Range:
    """Between which values an option is searched.

    Attributes:
        log: a factor matters, not a difference.
        or_zero: 0 is a candidate of its own, as likely as all else at first: the option is off.
    """

    low: float
    high: float
    log: bool = False
    or_zero: bool = False


_RANGES = {
    "trees": Range(50, 800, log=True),
    "depth": Range(1, 4),
    "learning_rate": Range(0.02, 0.3, log=True),
    "smote_ratio": Range(0.05, 1, or_zero=True),
    "min_child_weight": Range(0.3, 30, log=True),
    "reg_lambda": Range(0.3, 30, log=True),
    "subsample": Range(0.5, 1),
}
# Of those, the ones that can be set.
RANGES = {name: found for name, found in _RANGES.items() if name in FitOptions.model_fields}


@dataclass(frozen=True)
class Trial:
    """One set of options, judged.

    Attributes:
        number: counts from 0, which is the given options.
        figures: of its out-of-fold PDs, by name, `OBJECTIVE` among them; empty when it failed.
        best_so_far: the lowest objective up to and with this trial; infinite while all have failed.
        seconds: how long it took.
        failure: why there are no figures.
    """

    number: int
    options: FitOptions
    figures: Mapping[str, float]
    best_so_far: float
    seconds: float
    failure: str | None = None


def search(
    data: Dataset, schema: Schema, options: FitOptions, trials: int, on_trial: Callable[[Trial], None]
) -> FitOptions:
    """Find the options with the lowest objective; the same arguments give the same answer.

    Args:
        data: the training rows, and no others.
        options: the first trial, so that the answer is never worse by the objective; all but `RANGES` stays as it is.
        trials: how many sets of options to try, the given ones included.
        on_trial: called after each.

    Raises:
        DataError: too few rows, or every trial failed; then it is what the first failed of.
    """
    pairs = folds(data, options.model_copy(update={"seed": (options.seed + _OWN_FOLDS) % _SEEDS}))
    study = _study(options)
    best, lowest, refusal = options, math.inf, None
    for number in range(trials):
        started = time.perf_counter()
        asked = study.ask()
        suggested = _suggested(asked, options)
        candidate = suggested if number else options
        figures: Figures = {}
        failure = None
        try:
            figures = _judge(data, schema, candidate, pairs)
        except DataError as error:
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
            refusal, failure = refusal or error, error.message
        else:
            study.tell(asked, figures[OBJECTIVE])
            if figures[OBJECTIVE] < lowest:
                best, lowest = candidate, figures[OBJECTIVE]
        on_trial(Trial(number, candidate, figures, lowest, time.perf_counter() - started, failure))
    if refusal and lowest == math.inf:
        raise refusal
    return best


def _judge(
    data: Dataset, schema: Schema, options: FitOptions, pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> Figures:
    """Figures of calibrated PDs, each from a booster and a calibration fitted to the other folds."""
    margins, pd = np.empty(len(data)), np.empty(len(data))
    for train, test in pairs:
        learnt = as_learnt(schema, data.applicants[train])
        booster = fit_booster(data.applicants[train], data.target[train], learnt, options)
        margins[test] = raw_margins(booster, Features(learnt).matrix(data.applicants[test]))
    for train, test in pairs:
        pd[test] = fit_calibration(margins[train], data.target[train]).pd(margins[test])
    return {
        OBJECTIVE: float(log_loss(data.target, pd)),
        "roc_auc": float(roc_auc_score(data.target, pd)),
        "pr_auc": float(average_precision_score(data.target, pd)),
        "brier": float(brier_score_loss(data.target, pd)),
        "calibration_error": calibration_error(pd, data.target),
    }


def _study(options: FitOptions) -> optuna.Study:
    """A search in memory that begins where the given options are, or at the edge nearest to them."""
    with _quiet_optuna():
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=options.seed))
    start: dict[str, float | bool] = {}
    for name, within in RANGES.items():
        value = getattr(options, name)
        if within.or_zero:
            start[_switch(name)] = value > 0
        start[name] = min(max(value, within.low), within.high)
    study.enqueue_trial(start)
    return study


def _suggested(asked: optuna.Trial, options: FitOptions) -> FitOptions:
    """The given options with what Optuna would try next."""
    chosen = {name: _value(asked, name, within) for name, within in RANGES.items()}
    return FitOptions.model_validate({**options.model_dump(), **chosen})


def _value(asked: optuna.Trial, name: str, within: Range) -> float:
    if within.or_zero and not asked.suggest_categorical(_switch(name), [False, True]):
        return 0
    if FitOptions.model_fields[name].annotation is int:
        return asked.suggest_int(name, int(within.low), int(within.high), log=within.log)
    # Rounded to what a person can read and type again; it makes no difference to the trees.
    return float(f"{asked.suggest_float(name, within.low, within.high, log=within.log):.{_SIGNIFICANT_DIGITS}g}")


def _switch(name: str) -> str:
    return f"{name} > 0"


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing itself on standard error, and leave its logging as it was."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
