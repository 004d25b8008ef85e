"""What the pictures show: predictions, the decision, contributions and groups of one training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_default.training.evaluate import Predictions
from loan_default.training.slices import Slice


@dataclass(frozen=True)
class Contributed:
    """What each column adds to the score of applicants that the model was not trained on.

    Attributes:
        names: of the applicant's columns, in the declared order.
        categories: of those columns that are categories, their values by code.
        values: (n, number of columns) as they were scored; NaN where the model saw none.
        log_odds: (n, number of columns), the contributions to the calibrated log-odds.
    """

    names: Sequence[str]
    categories: Mapping[str, Sequence[str]]
    values: NDArray[np.float64]
    log_odds: NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """What the pictures show.

    Attributes:
        baseline: logistic regression on the same folds.
        without_smote: the same procedure with SMOTE switched off, when it was measured.
        threshold: the stored one; a PD from here on is declined.
        medium_from: the PD at which the Medium band starts.
        importance: the mean absolute contribution of each of the applicant's columns, in log-odds, over the applicants
            of `contributed`.
    """

    out_of_fold: Predictions
    baseline: Predictions
    without_smote: Predictions | None
    holdout: Predictions
    threshold: float
    medium_from: float
    importance: Mapping[str, float]
    contributed: Contributed
    slices: Sequence[Slice]
