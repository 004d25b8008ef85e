"""Does the model tell those who default from those who repay? ROC, precision and recall, the scores of both."""

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from loan_default.training.evaluate import Predictions
from loan_default.training.pictures.canvas import (
    BASELINE,
    BLUE,
    CHANCE,
    HOLDOUT,
    MODEL,
    ORANGE,
    WITHOUT_SMOTE,
    below,
    legend,
    log_percent_axis,
    mark,
    mark_bands,
    percent_axis,
    plot,
)
from loan_default.training.pictures.decisions import rates
from loan_default.training.pictures.subject import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCORE_BINS = 40


def roc(subject: Subject) -> "Figure":
    """Defaults caught against good applicants declined, at every threshold."""
    figure, axes = plot(
        "Defaults caught against good applicants declined",
        "share of the repaid that are declined (false positive rate)",
        "share of defaults caught (recall)",
    )
    for name, predictions, line in _compared(subject):
        false_positive_rate, recall, _ = roc_curve(predictions.target, predictions.pd)
        area = roc_auc_score(predictions.target, predictions.pd)
        axes.plot(false_positive_rate, recall, label=f"{name}, AUC {area:.4f}", **line)
    axes.plot([0, 1], [0, 1], label="chance, AUC 0.5", **CHANCE)
    recall_there, _, _, _ = rates(subject.out_of_fold, subject.threshold)
    repaid = subject.out_of_fold.pd[subject.out_of_fold.target == 0]
    mark(axes, float((repaid >= subject.threshold).mean()), recall_there)
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    legend(figure, axes)
    return figure


def precision_recall(subject: Subject) -> "Figure":
    """How many of the declined would have defaulted, at every recall."""
    figure, axes = plot(
        "How many of the declined would have defaulted",
        "share of defaults caught (recall)",
        "defaults among the declined (precision)",
    )
    for name, predictions, line in _compared(subject):
        precision, recall, _ = precision_recall_curve(predictions.target, predictions.pd)
        area = average_precision_score(predictions.target, predictions.pd)
        axes.plot(recall, precision, drawstyle="steps-post", label=f"{name}, AUC {area:.4f}", **line)
    base_rate = subject.out_of_fold.target.mean()
    axes.axhline(base_rate, label=f"chance, {100 * base_rate:.2f} % defaults", **CHANCE)
    recall, precision, _, _ = rates(subject.out_of_fold, subject.threshold)
    mark(axes, recall, precision)
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.02))
    legend(figure, axes)
    return figure


def score_distribution(subject: Subject) -> "Figure":
    """The PDs of both classes, with the bands."""
    figure, axes = plot(
        "Predicted PDs of those who repaid and those who defaulted (out of fold)", "PD (logarithmic)", ""
    )
    predictions = subject.out_of_fold
    lowest = below(min(float(predictions.pd.min()), subject.medium_from))
    edges, tallest = np.geomspace(lowest, 1, _SCORE_BINS + 1), 0.0
    for label, name, colour in ((0, "repaid", BLUE), (1, "defaulted", ORANGE)):
        pd = np.maximum(predictions.pd[predictions.target == label], lowest)
        heights = np.histogram(pd, edges)[0] / max(1, len(pd))
        tallest = max(tallest, float(heights.max()))
        axes.stairs(heights, edges, fill=True, alpha=0.3, color=colour)
        axes.stairs(heights, edges, color=colour, linewidth=1.6, label=f"{name}, {len(pd):,} applicants")
    axes.set(
        xscale="log",
        xlim=(lowest, 1),
        ylim=(0, 1.18 * tallest),
        ylabel=f"share of the class in each of {_SCORE_BINS} bins",
    )
    log_percent_axis(axes.xaxis, lowest)
    percent_axis(axes.yaxis, decimals=None)
    mark_bands(axes, subject, lowest)
    legend(figure, axes)
    return figure


def _compared(subject: Subject) -> list[tuple[str, Predictions, dict[str, Any]]]:
    compared = [
        ("model, out of fold", subject.out_of_fold, MODEL),
        ("logistic regression, out of fold", subject.baseline, BASELINE),
        ("model, hold-out", subject.holdout, HOLDOUT),
    ]
    if subject.without_smote is not None:
        compared.append(("without SMOTE, out of fold", subject.without_smote, WITHOUT_SMOTE))
    return compared
