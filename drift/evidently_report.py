"""Evidently's report of a comparison: its PSI, its tests, its pictures.

Evidently's own bins for numbers are of equal width over both sets together, so one outlier hides every shift. It is
given bins instead, as categories: then its PSI is the textbook's, and equals ours as long as no bin is empty. Of an
empty bin both take a smallest share instead of 0: Evidently 0.0001, ours half a row where that is more, because in a
small window an empty bin is no surprise (`loan_default/psi.py`).

Importing Evidently takes seconds and 300 MB, so only who asks for a report pays for it.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

Counts = Mapping[str, NDArray[np.int64]]


def evidently_report(
    window: Counts, reference: Counts, threshold: float, labels: Mapping[str, Sequence[str]] | None = None
) -> "Snapshot":
    """Compare a window with the reference.

    Args:
        window: rows in each bin, by feature and for the PD.
        reference: likewise; columns may have different numbers of rows.
        threshold: the PSI from which a column counts as drifted in the report.
        labels: what the bins are called, no two of a column the same; by default by their numbers.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Evidently imports, nothing that we could change
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        definition = DataDefinition(categorical_columns=list(window))
        frames = [Dataset.from_pandas(_frame(counts, labels or {}), definition) for counts in (window, reference)]
        report = Report([ValueDrift(column=name, method="psi", threshold=threshold) for name in window])
        return report.run(*frames)


def evidently_html(
    window: Counts, reference: Counts, threshold: float, labels: Mapping[str, Sequence[str]] | None = None
) -> str:
    """The same as Evidently's page, HTML of some 4 MB that loads nothing; see `evidently_report`."""
    return str(evidently_report(window, reference, threshold, labels).get_html_str(as_iframe=False))


def _frame(counts: Counts, labels: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Rows that lie in the bins so often, each bin a category; a shorter column ends in missing values, unseen."""
    return pd.DataFrame(
        {name: pd.Series(np.repeat(_categories(labels.get(name), len(each)), each)) for name, each in counts.items()}
    )


def _categories(labels: Sequence[str] | None, bins: int) -> NDArray[np.object_]:
    """What the bins are called, without what could end a script: Evidently writes them into one as they are."""
    named = [str(i) for i in range(bins)] if labels is None else [label.replace("<", "‹") for label in labels]
    return np.array(named, dtype=object)
