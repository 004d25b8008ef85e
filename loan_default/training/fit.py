"""Fits one decision: SMOTE → features → XGBoost, then calibration and threshold on out-of-fold predictions.

`fit_decision` is the whole procedure from rows to a decision. `evaluate.py` runs the same procedure inside each fold,
so its figures are those of the procedure, threshold and calibration included, on rows it never saw.

SMOTE (`oversampling.py`) makes synthetic applicants from the columns before the features are computed, so a synthetic
applicant's derived features agree with its columns. It distorts probabilities: more defaults are shown to XGBoost than
there are. Platt scaling (1999) on out-of-fold margins of real rows corrects that.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from imblearn import FunctionSampler
from imblearn.pipeline import Pipeline
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import FunctionTransformer
from xgboost import XGBClassifier

from loan_default.decision import Calibration, Cost, Decision, MaxF1, Policy, PolicyName, RecallFloor
from loan_default.errors import DataError
from loan_default.features import Features
from loan_default.margins import raw_margins
from loan_default.schema import Column, Schema
from loan_default.schema.columns import CategoryColumn
from loan_default.training.data import Dataset
from loan_default.training.oversampling import NEIGHBOURS, oversample


class FitOptions(BaseModel):
    """What can be tuned. The defaults were compared out of fold on the training rows; see docs/decisions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 42
    folds: int = Field(default=5, ge=2, le=20)
    smote_ratio: float = Field(default=0.25, ge=0, le=1)
    trees: int = Field(default=200, ge=1, le=5000)
    depth: int = Field(default=1, ge=1, le=12)
    learning_rate: float = Field(default=0.08, gt=0, le=1)
    min_child_weight: float = Field(default=1, ge=0, le=1000)
    reg_lambda: float = Field(default=1, ge=0, le=1000)
    subsample: float = Field(default=1, gt=0, le=1)
    policy: PolicyName = "recall-floor"
    recall_floor: float = Field(default=0.77, gt=0, lt=1)
    cost_ratio: float = Field(default=20, gt=0)

    def decision_policy(self) -> Policy:
        """How the threshold is chosen."""
        if self.policy == "recall-floor":
            return RecallFloor(recall_floor=self.recall_floor)
        return MaxF1() if self.policy == "max-f1" else Cost(cost_ratio=self.cost_ratio)

    def fits_per_decision(self) -> int:
        """How many models one `fit_decision` fits: one per fold and the final one."""
        return self.folds + 1


@dataclass(frozen=True)
class Fitted:
    """One outcome of the procedure: a booster and the decision that goes with it."""

    schema: Schema
    booster: xgb.Booster
    decision: Decision

    def pd(self, applicants: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated PDs, (n,), of applicants, (n, number of columns)."""
        return self.decision.calibration.pd(raw_margins(self.booster, Features(self.schema).matrix(applicants)))


def fit_decision(
    data: Dataset, schema: Schema, options: FitOptions, progress: Callable[[], None] = lambda: None
) -> Fitted:
    """Fit booster, calibration and threshold on `data`; `progress` is called after each of its fits."""
    margins = np.empty(len(data))
    for train, test in folds(data, options):
        learnt = as_learnt(schema, data.applicants[train])
        booster = fit_booster(data.applicants[train], data.target[train], learnt, options)
        margins[test] = raw_margins(booster, Features(learnt).matrix(data.applicants[test]))
        progress()
    calibration = fit_calibration(margins, data.target)
    policy = options.decision_policy()
    threshold = policy.threshold(calibration.pd(margins), data.target)
    if not 0 < threshold < 1:
        raise DataError(
            "The columns tell who defaults without a doubt, which no applicant's data do: look for a column that is "
            "known only after the loan was granted."
        )
    learnt = as_learnt(schema, data.applicants)
    booster = fit_booster(data.applicants, data.target, learnt, options)
    progress()
    return Fitted(learnt, booster, Decision.at(threshold, calibration, policy))


def as_learnt(schema: Schema, applicants: NDArray[np.float64]) -> Schema:
    """The schema with the categories marked that none of these training rows has.

    XGBoost would score such a category by the accident of which branch it was left out of, so it counts as missing.
    """
    columns: list[Column] = []
    for column, values in zip(schema.columns, applicants.T, strict=True):
        if isinstance(column, CategoryColumn):
            seen = {column.categories[int(code)] for code in np.unique(values[~np.isnan(values)])}
            never_seen = tuple(category for category in column.categories if category not in seen)
            example = column.example if column.example in seen else min(seen, key=column.categories.index, default="")
            columns.append(column.model_copy(update={"never_seen": never_seen, "example": example}))
        else:
            columns.append(column)
    return schema.model_copy(update={"columns": tuple(columns)})


def folds(data: Dataset, options: FitOptions) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Stratified folds as pairs of row numbers, (training, test).

    Raises:
        DataError: a class has too few rows to be in every fold and be oversampled there.
    """
    rarest = int(np.bincount(data.target, minlength=2).min())
    # Each fold needs a row of its own, and SMOTE a row and its neighbours in what the fold leaves for training.
    needed = max(options.folds, math.ceil((NEIGHBOURS + 1) * options.folds / (options.folds - 1)) + 1)
    if rarest < needed:
        raise DataError(
            f"Only {rarest} rows of the rarer class are left to train on, and {options.folds} folds need {needed}: "
            "bring more data, or fewer folds."
        )
    splitter = StratifiedKFold(options.folds, shuffle=True, random_state=options.seed)
    return list(splitter.split(data.applicants, data.target))


def fit_calibration(margins: NDArray[np.float64], target: NDArray[np.int64]) -> Calibration:
    """Platt scaling by maximum likelihood (no penalty) on out-of-fold margins, (n,), and what came of them, (n,).

    Raises:
        DataError: the margins rank no better than chance, or worse.
    """
    fitted = LogisticRegression(C=np.inf).fit(margins[:, None], target)
    slope = float(fitted.coef_[0, 0])
    if slope <= 0:
        raise DataError(
            "The columns do not tell who defaults: out of fold, a higher score does not go with more defaults. "
            "Check the target, and the declared directions of risk."
        )
    return Calibration(slope=slope, intercept=float(fitted.intercept_[0]))


def fit_booster(
    applicants: NDArray[np.float64], target: NDArray[np.int64], schema: Schema, options: FitOptions
) -> xgb.Booster:
    """SMOTE → features → XGBoost on these rows alone; the schema is what `as_learnt` makes of them."""
    pipeline = Pipeline(
        [
            ("smote", _smote(target, schema, options)),
            ("features", FunctionTransformer(Features(schema).matrix)),
            (
                "xgboost",
                XGBClassifier(
                    n_estimators=options.trees,
                    max_depth=options.depth,
                    learning_rate=options.learning_rate,
                    min_child_weight=options.min_child_weight,
                    reg_lambda=options.reg_lambda,
                    subsample=options.subsample,
                    monotone_constraints=schema.monotone_constraints,
                    feature_types=schema.feature_types,
                    enable_categorical=True,
                    tree_method="hist",
                    n_jobs=1,  # sums in the same order whatever the machine: the same seed gives the same file
                    random_state=options.seed,
                ),
            ),
        ]
    )
    booster: xgb.Booster = pipeline.fit(applicants, target).named_steps["xgboost"].get_booster()
    booster.feature_names = schema.feature_names
    return booster


def _smote(target: NDArray[np.int64], schema: Schema, options: FitOptions) -> FunctionSampler | str:
    """SMOTE up to the wanted ratio of defaults to others, or nothing when the data already have it."""
    defaults = int(target.sum())
    if defaults >= int(options.smote_ratio * (len(target) - defaults)):
        return "passthrough"
    arguments = {"schema": schema, "ratio": options.smote_ratio, "seed": options.seed}
    return FunctionSampler(func=oversample, kw_args=arguments, validate=False)  # XGBoost takes missing values as such
