"""What does the threshold do? Who was approved and declined, and what another threshold would do."""

from typing import TYPE_CHECKING

import numpy as np

from loan_default.training.evaluate import Predictions
from loan_default.training.pictures.canvas import (
    BASELINE,
    HOLDOUT,
    MODEL,
    WITHOUT_SMOTE,
    below,
    legend,
    log_percent_axis,
    mark_bands,
    new_figure,
    percent_axis,
    plot,
)
from loan_default.training.pictures.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_THRESHOLDS = 400


def confusion_matrix(subject: Subject) -> "Figure":
    """Counts of decisions and outcomes, out of fold and on the hold-out."""
    figure = new_figure(height_inches=3.6)
    figure.suptitle("Who was approved and who was declined", x=0.01, ha="left", weight="bold", size=11)
    left, right = figure.subplots(1, 2)
    _draw_confusion(left, subject.out_of_fold, "out of fold")
    _draw_confusion(right, subject.holdout, "hold-out")
    right.set_ylabel("")
    return figure


def _draw_confusion(axes: "Axes", predictions: Predictions, name: str) -> None:
    counts = np.array(
        [
            [int(((predictions.target == label) & (predictions.declined == declined)).sum()) for declined in (0, 1)]
            for label in (0, 1)
        ]
    )
    of_row = counts.sum(axis=1)
    shares = counts / np.maximum(of_row, 1)[:, None]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")  # the darkest blue would hide the numbers
    for row in (0, 1):
        for column in (0, 1):
            axes.text(column, row - 0.08, f"{counts[row, column]:,}", ha="center", va="center", size=15, weight="bold")
            axes.text(
                column, row + 0.2, f"{100 * shares[row, column]:.1f} % of row", ha="center", va="center", size=9.5
            )
    axes.set_xticks([0, 1], ["approved", "declined"])
    axes.set_yticks([0, 1], [f"repaid\n{of_row[0]:,}", f"defaulted\n{of_row[1]:,}"])
    axes.set_title(f"{name}, {len(predictions.pd):,} applicants", weight="normal", size=10)
    axes.set_xlabel("decision")
    axes.set_ylabel("what happened (applicants)")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def threshold_curve(subject: Subject) -> "Figure":
    """Recall, precision, F1 and share declined at every threshold."""
    figure, axes = plot(
        "What another threshold would do (out of fold)",
        "threshold: a PD from here on is declined (logarithmic)",
        "share",
    )
    predictions = subject.out_of_fold
    highest = max(float(predictions.pd.max()), subject.threshold)
    lowest = below(min(float(np.quantile(predictions.pd, 0.25)), subject.medium_from))
    grid = np.unique(np.append(np.geomspace(lowest, highest, _THRESHOLDS), subject.threshold))
    curves = np.array([rates(predictions, threshold) for threshold in grid]).T
    lines = (("recall", MODEL), ("precision", BASELINE), ("F1", HOLDOUT), ("share declined", WITHOUT_SMOTE))
    stored = rates(predictions, subject.threshold)
    for (name, line), values, at_stored in zip(lines, curves, stored, strict=True):
        said = "undefined" if np.isnan(at_stored) else f"{100 * at_stored:.1f} %"
        axes.plot(grid, values, label=f"{name}, {said} at the threshold", **line)
        axes.plot([subject.threshold], [at_stored], "o", color=line["color"], markersize=5)
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.16))
    log_percent_axis(axes.xaxis, lowest)
    percent_axis(axes.yaxis)
    mark_bands(axes, subject, lowest)
    legend(figure, axes)
    return figure


def rates(predictions: Predictions, threshold: float) -> tuple[float, float, float, float]:
    """Recall, precision, F1 and the share declined at a threshold; precision is NaN when nobody is declined."""
    declined = predictions.pd >= threshold
    caught, refused = int(predictions.target[declined].sum()), int(declined.sum())
    defaults = int(predictions.target.sum())
    precision = caught / refused if refused else float("nan")
    return caught / defaults, precision, 2 * caught / (refused + defaults), refused / len(declined)
