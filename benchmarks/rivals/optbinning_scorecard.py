"""OptBinning's scorecard as a rival; benchmarks/quality.py runs this in the environment of optbinning.txt.

    python -m benchmarks.rivals.optbinning_scorecard SMALLEST_BIN TASK.npz PDS.npz

The scorecard is set up as OptBinning's documentation shows: optimal binning of each feature, fitted on the training
rows of each model, then logistic regression on the weights of evidence. SMALLEST_BIN is the share of rows that a bin
has at least. Two things differ from its tutorial on scorecards, both in the scorecard's favour. The tutorial leaves out
features whose information value is over 1; in the default data those are the ones that matter. And a missing value gets
the weight of evidence that it has (`metric_missing="empirical"`) instead of 0.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from optbinning import BinningProcess, Scorecard
from sklearn.linear_model import LogisticRegression

from benchmarks.rivals.exchange import TEST, TRAIN, Task, save_pds

# A feature with a lower information value tells nothing: the tutorial's rule, and the usual one.
LEAST_INFORMATION = 0.02


def table(task: Task) -> pd.DataFrame:
    """The features, categories as text."""
    columns = {}
    for name, categorical, values in zip(task.names, task.categorical, task.features.T, strict=True):
        codes = [None if np.isnan(value) else f"{value:.0f}" for value in values] if categorical else values
        columns[name] = pd.Series(codes, dtype=object if categorical else float)
    return pd.DataFrame(columns)


def scorecard(task: Task, smallest_bin: float) -> Scorecard:
    """A scorecard that is yet to be fitted."""
    binning = BinningProcess(
        list(task.names),
        categorical_variables=[name for name, nominal in zip(task.names, task.categorical, strict=True) if nominal],
        min_prebin_size=smallest_bin,
        selection_criteria={"iv": {"min": LEAST_INFORMATION}},
    )
    return Scorecard(binning_process=binning, estimator=LogisticRegression(solver="lbfgs"))


def answer(task: Task, smallest_bin: float) -> NDArray[np.float64]:
    """The PDs, (models, n), of the rows that each model is tested on."""
    features = table(task)
    pds = np.full(task.roles.shape, np.nan)
    for of_model, roles in zip(pds, task.roles, strict=True):
        train, test = roles == TRAIN, roles == TEST
        fitted = scorecard(task, smallest_bin).fit(features[train], task.target[train], metric_missing="empirical")
        of_model[test] = fitted.predict_proba(features[test])[:, 1]
    return pds


if __name__ == "__main__":
    save_pds(Path(sys.argv[3]), answer(Task.load(Path(sys.argv[2])), float(sys.argv[1])))
