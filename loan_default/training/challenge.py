"""Whether a challenger is as good as the champion, on rows that neither was trained on.

Both models keep the hashes below which a row was held out of their training (`split.py`), so the rows neither has seen
can be found in any file. On these the mean log loss is compared, row by row, by a paired bootstrap: the challenger may
be promoted when the upper end of the one-sided 95 % interval of its excess loss is within the margin (a test of
non-inferiority). Log loss, because it rewards true probabilities as well as a good ranking.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loan_default.errors import DataError
from loan_default.model import LoanModel
from loan_default.schema import Schema
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.split import unseen

MARGIN = 0.05
CONFIDENCE = 0.95
_RESAMPLES = 2000
_FEWEST_DEFAULTS = 20
_SURE = 1e-12


@dataclass(frozen=True)
class Verdict:
    """What the comparison said: whether it stands in the way of a promotion, and why or why not."""

    refused: bool
    text: str


def challenge(challenger: LoanModel, champion: LoanModel, path: Path, seed: int) -> Verdict:
    """Compare two models on the file at `path`.

    When the champion cannot be compared – its columns are not in the file, too few rows are unseen by both, or it was
    trained before hold-outs were recorded – the gates alone decide, and the verdict says so.
    """
    mine, its = challenger.schema.as_declared(), champion.schema.as_declared()
    ours = read_dataset(path, mine)
    theirs = _in_its_own_columns(path, ours, mine, its)
    our_cutoffs, their_cutoffs = challenger.about.holdout_cutoffs, champion.about.holdout_cutoffs
    if theirs is None:
        return Verdict(False, "not compared with the champion, whose columns the data do not have")
    if our_cutoffs is None or their_cutoffs is None:
        return Verdict(False, "not compared with the champion, which does not say what it was trained on")
    rows = unseen(ours, our_cutoffs) & unseen(theirs, their_cutoffs)
    defaults = int(ours.target[rows].sum())
    if defaults < _FEWEST_DEFAULTS:
        return Verdict(False, f"not compared with the champion: only {defaults} defaults are unseen by both")
    target = ours.target[rows]
    old = _log_loss(champion.pd(theirs.applicants[rows]), target)
    new = _log_loss(challenger.pd(ours.applicants[rows]), target)
    excess, worst = excess_loss(new, old, target, seed)
    said = (
        f"log loss {new.mean():.4f} against the champion's {old.mean():.4f} on {int(rows.sum()):,} rows neither has "
        f"seen: {excess:+.1%}, at {CONFIDENCE:.0%} confidence at most {worst:+.1%} (allowed: {MARGIN:+.0%})"
    )
    return Verdict(not worst <= MARGIN, said)


def excess_loss(
    new: NDArray[np.float64], old: NDArray[np.float64], target: NDArray[np.int64], seed: int
) -> tuple[float, float]:
    """The relative excess of the mean of `new` over that of `old`, losses of the same rows, (n,), and its upper bound.

    The bound is the one-sided percentile of a paired bootstrap within each class.
    """
    generator = np.random.default_rng(seed)
    classes = [np.flatnonzero(target == label) for label in (0, 1)]
    difference = (new - old) / old.mean()
    drawn = [
        np.mean(difference[np.concatenate([generator.choice(rows, len(rows)) for rows in classes])])
        for _ in range(_RESAMPLES)
    ]
    return float(difference.mean()), float(np.quantile(drawn, CONFIDENCE))


def _in_its_own_columns(path: Path, ours: Dataset, mine: Schema, its: Schema) -> Dataset | None:
    if its.columns == mine.columns and its.target == mine.target and its.csv == mine.csv:
        return ours
    try:
        theirs = read_dataset(path, its)
    except DataError:
        return None
    return theirs if np.array_equal(theirs.target, ours.target) else None


def _log_loss(pd: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.float64]:
    pd = np.clip(pd, _SURE, 1 - _SURE)  # certain and wrong is very bad, not infinitely bad
    return -np.where(target == 1, np.log(pd), np.log1p(-pd))
