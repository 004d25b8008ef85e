"""Are the PDs true? The share that defaulted against the PD that was predicted."""

from typing import TYPE_CHECKING

import numpy as np

from loan_default.training.evaluate import CALIBRATION_BINS, Predictions, wilson
from loan_default.training.pictures.canvas import BASELINE, CHANCE, MODEL, below, legend, log_percent_axis, plot
from loan_default.training.pictures.subject import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reliability(subject: Subject) -> "Figure":
    """Mean PD and share of defaults of each tenth of the applicants, with intervals."""
    figure, axes = plot(
        "Did as many default as predicted? (out of fold)",
        f"mean PD of a tenth of the applicants ({CALIBRATION_BINS} bins, logarithmic)",
        "share that defaulted (logarithmic)",
    )
    models = (
        ("model", _bins(subject.out_of_fold), MODEL, "o", 0.97),
        ("logistic regression", _bins(subject.baseline), BASELINE, "s", 1.03),
    )
    lowest = below(min(pd for _, bins, *_ in models for pd, *_ in bins))
    bottom = below(min((low for _, bins, *_ in models for _, _, low, _ in bins if low > 0), default=0.1))
    nobody = bottom / 2.5  # a bin without a default has a place of its own below the logarithmic axis
    some_are_zero = any(observed == 0 for _, bins, *_ in models for _, observed, _, _ in bins)
    start = max(lowest, bottom)
    axes.plot([start, 1], [start, 1], label="as predicted", **CHANCE)
    for name, bins, line, marker, aside in models:
        pd, observed, low, high = np.array(bins).T
        pd = np.minimum(np.maximum(pd, lowest) * aside, 1)
        observed, low = np.where(observed > 0, observed, nobody), np.maximum(low, nobody)
        drawn = axes.errorbar(
            pd,
            observed,
            yerr=(observed - low, high - observed),
            fmt=marker,
            color=line["color"],
            markerfacecolor=line["color"] if marker == "o" else "white",
            elinewidth=1.4,
            capsize=2.5,
        )
        drawn.set_label(f"{name}, with 95 % intervals")
    # A little room for markers at the ends.
    axes.set(xscale="log", yscale="log", xlim=(lowest / 1.15, 1.15))
    axes.set_ylim(nobody / 1.6 if some_are_zero else bottom, 1.15)
    log_percent_axis(axes.xaxis, lowest)
    log_percent_axis(axes.yaxis, bottom, {nobody: "none"} if some_are_zero else None)
    legend(figure, axes)
    return figure


def _bins(predictions: Predictions) -> list[tuple[float, float, float, float]]:
    """Mean PD, share of defaults and its interval in each of the bins of `evaluate.calibration_error`."""
    edges = np.quantile(predictions.pd, np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS)
    bins = np.searchsorted(edges, predictions.pd, side="left")
    return [
        (float(predictions.pd[rows].mean()), defaults / int(rows.sum()), *wilson(defaults, int(rows.sum())))
        for rows in (bins == number for number in np.unique(bins))
        for defaults in [int(predictions.target[rows].sum())]
    ]
