"""Figures for predictions: how well they rank, how true the PDs are, and what the threshold does.

Out-of-fold figures come from the whole procedure run inside each fold (nested cross-validation, Varma and Simon, BMC
Bioinformatics 7:91, 2006): calibration and threshold of a fold never saw its rows. Hold-out figures come with 95 %
intervals, because a hold-out of 2,000 rows has few defaults.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from loan_default.features import Features
from loan_default.schema import Schema
from loan_default.training.data import Dataset
from loan_default.training.fit import FitOptions, fit_decision, folds

Figures = dict[str, float]
Intervals = dict[str, tuple[float, float]]

CALIBRATION_BINS = 10
_RESAMPLES = 1000
_NORMAL_95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True)
class Predictions:
    """PDs, (n,), the decisions that followed from them, (n,) of bool, and what really happened, (n,) of 0 and 1."""

    pd: NDArray[np.float64]
    declined: NDArray[np.bool_]
    target: NDArray[np.int64]

    def rows(self, which: NDArray[np.int64]) -> "Predictions":
        """Those of some rows, by number."""
        return Predictions(self.pd[which], self.declined[which], self.target[which])

    def figures(self) -> Figures:
        """All figures by name; rates lie in [0, 1]."""
        true_positive = int((self.declined & (self.target == 1)).sum())
        declined, defaults = int(self.declined.sum()), int(self.target.sum())
        return {
            "roc_auc": float(roc_auc_score(self.target, self.pd)),
            "pr_auc": float(average_precision_score(self.target, self.pd)),
            "brier": float(brier_score_loss(self.target, self.pd)),
            "log_loss": float(log_loss(self.target, self.pd)),
            "calibration_error": calibration_error(self.pd, self.target),
            "mean_pd_to_base_rate": float(self.pd.mean() / self.target.mean()),
            "accuracy": float((self.declined == (self.target == 1)).mean()),
            "precision": true_positive / declined if declined else 0.0,
            "recall": true_positive / defaults,
            "f1": 2 * true_positive / (declined + defaults),
        }

    def intervals(self, seed: int) -> Intervals:
        """95 % bootstrap intervals of the same figures, resampled within each class (Efron and Tibshirani, 1993).

        Percentile intervals, but for the calibration error: resampling adds noise to every bin, so a resampled error is
        too high by about as much as the error itself is by chance, and the basic interval takes that off again.
        """
        generator = np.random.default_rng(seed)
        classes = [np.flatnonzero(self.target == label) for label in (0, 1)]
        drawn: dict[str, list[float]] = {}
        for _ in range(_RESAMPLES):
            rows = np.concatenate([generator.choice(rows, len(rows)) for rows in classes])
            for name, value in self.rows(rows).figures().items():
                drawn.setdefault(name, []).append(value)
        intervals = {
            name: (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975)))
            for name, values in drawn.items()
        }
        low, high = intervals["calibration_error"]
        twice = 2 * calibration_error(self.pd, self.target)
        return {**intervals, "calibration_error": (max(0.0, twice - high), max(0.0, twice - low))}


def calibration_error(pd: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Expected calibration error (Naeini et al., AAAI 2015) over ten bins with about equally many rows.

    The bins' edges are the deciles of the PDs, so equal PDs share a bin. The error is the mean over bins, weighted by
    rows, of |mean PD − share of defaults|; 0 is perfect.
    """
    edges = np.quantile(pd, np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS)
    bins = np.searchsorted(edges, pd, side="left")
    gaps = np.bincount(bins, weights=pd - target, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(pd))


def wilson(count: int, of: int) -> tuple[float, float]:
    """The Wilson score interval, 95 %, of a share: `count` out of `of`, which is at least 1 (JASA 22:209, 1927)."""
    share, weight = count / of, _NORMAL_95**2 / of
    middle = (share + weight / 2) / (1 + weight)
    half = _NORMAL_95 / (1 + weight) * float(np.sqrt(share * (1 - share) / of + weight / (4 * of)))
    # Exactly 0 and 1 at the ends, where rounding would leave a trace.
    return middle - half if count else 0.0, middle + half if count < of else 1.0


def out_of_fold(data: Dataset, schema: Schema, options: FitOptions, progress: Callable[[], None]) -> Predictions:
    """Run the whole procedure in each fold and collect its predictions for the rows it did not see."""
    pd, declined = np.empty(len(data)), np.empty(len(data), dtype=np.bool_)
    for train, test in folds(data, options):
        fitted = fit_decision(data.rows(train), schema, options, progress)
        pd[test] = fitted.pd(data.applicants[test])
        declined[test] = pd[test] >= fitted.decision.threshold
    return Predictions(pd, declined, data.target)


def out_of_fold_baseline(data: Dataset, schema: Schema, options: FitOptions) -> Predictions:
    """Logistic regression on the same features and folds, its threshold by the same policy: the model to beat."""
    features = Features(schema).values(data.applicants)
    pd, declined = np.empty(len(data)), np.empty(len(data), dtype=np.bool_)
    for train, test in folds(data, options):
        inner_pd = np.empty(len(train))
        for inner_train, inner_test in folds(data.rows(train), options):
            fitted = _logistic(schema).fit(features[train[inner_train]], data.target[train[inner_train]])
            inner_pd[inner_test] = fitted.predict_proba(features[train[inner_test]])[:, 1]
        threshold = options.decision_policy().threshold(inner_pd, data.target[train])
        pd[test] = _logistic(schema).fit(features[train], data.target[train]).predict_proba(features[test])[:, 1]
        declined[test] = pd[test] >= threshold
    return Predictions(pd, declined, data.target)


def _logistic(schema: Schema) -> Pipeline:
    """Logistic regression as it is commonly set up: categories one-hot, gaps at the median beside an indicator."""
    kinds = np.array(schema.feature_types)
    gaps = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    prepared = ColumnTransformer(
        [
            ("numbers", make_pipeline(gaps, StandardScaler()), np.flatnonzero(kinds == "q")),
            ("categories", OneHotEncoder(handle_unknown="ignore"), np.flatnonzero(kinds == "c")),
        ]
    )
    # The slight penalty keeps the coefficient of a category that never defaults finite.
    return make_pipeline(prepared, LogisticRegression(C=10.0, max_iter=1000))
