"""The pictures of a training as PNG files: what the model tells apart, how true its PDs are, what the threshold does.

Each picture is one function from a `Subject` to a figure, and `draw` makes all of them. The same subject gives the same
bytes. Who reads them is told by `card.py`. Matplotlib is imported when it draws: importing it writes a cache of fonts.
"""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from loan_default.training.evaluate import CALIBRATION_BINS, Predictions, wilson
from loan_default.training.slices import Slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart by colour-blind readers. The line styles tell the same in black and white.
_BLUE, _ORANGE, _GREEN, _PURPLE, _GREY, _INK = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#8A8A8A", "#222222"
_MODEL: dict[str, Any] = {"color": _BLUE, "linewidth": 2.2}
_BASELINE: dict[str, Any] = {"color": _ORANGE, "linestyle": (0, (5, 2))}
_HOLDOUT: dict[str, Any] = {"color": _GREEN, "linestyle": (0, (5, 1.5, 1, 1.5))}
_WITHOUT_SMOTE: dict[str, Any] = {"color": _PURPLE, "linestyle": (0, (1, 1.2))}
_CHANCE: dict[str, Any] = {"color": _GREY, "linewidth": 1.0}

_WIDTH_INCHES, _HEIGHT_INCHES, _DPI = 7.0, 4.9, 160  # 1120 pixels wide, sharp where it is shown at 700
_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so every machine draws the same
    "font.size": 10,
    "text.parse_math": False,  # a group may be called "$100 to $200"
    "text.color": _INK,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.minor.size": 0,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
}

_LOWEST_PD = 1e-6  # where a logarithmic axis ends at the latest; smaller PDs are drawn there
_MOST_BARS = 25
_LONGEST_LABEL = 34
_SCORE_BINS = 40
_THRESHOLDS = 400


@dataclass(frozen=True)
class Subject:
    """What the pictures show.

    Attributes:
        baseline: logistic regression on the same folds.
        without_smote: the same procedure with SMOTE switched off, when it was measured.
        threshold: the stored one; a PD from here on is declined.
        medium_from: the PD at which the Medium band starts.
        importance: the mean absolute contribution of each of the applicant's columns, in log-odds.
    """

    out_of_fold: Predictions
    baseline: Predictions
    without_smote: Predictions | None
    holdout: Predictions
    threshold: float
    medium_from: float
    importance: Mapping[str, float]
    slices: Sequence[Slice]


def draw(subject: Subject) -> dict[str, bytes]:
    """Every picture as PNG by its file name."""
    from matplotlib import style

    drawn: dict[str, Callable[[Subject], Figure]] = {
        "confusion_matrix.png": _confusion_matrix,
        "roc.png": _roc,
        "precision_recall.png": _precision_recall,
        "reliability.png": _reliability,
        "score_distribution.png": _score_distribution,
        "threshold.png": _threshold,
        "importance.png": _importance,
    }
    if subject.slices:
        drawn["slices.png"] = _slices
    # Beginning with the defaults keeps a reader's own matplotlibrc out of the pictures.
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        # A group's name may have letters that the font lacks; a box stands for them, and the card's table has the name.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        return {name: _png(picture(subject)) for name, picture in drawn.items()}


def _confusion_matrix(subject: Subject) -> "Figure":
    figure = _figure(height_inches=3.6)
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


def _roc(subject: Subject) -> "Figure":
    figure, axes = _plot(
        "Defaults caught against good applicants declined",
        "share of the repaid that are declined (false positive rate)",
        "share of defaults caught (recall)",
    )
    for name, predictions, line in _compared(subject):
        false_positive_rate, recall, _ = roc_curve(predictions.target, predictions.pd)
        area = roc_auc_score(predictions.target, predictions.pd)
        axes.plot(false_positive_rate, recall, label=f"{name}, AUC {area:.4f}", **line)
    axes.plot([0, 1], [0, 1], label="chance, AUC 0.5", **_CHANCE)
    recall_there, _, _, _ = _rates(subject.out_of_fold, subject.threshold)
    repaid = subject.out_of_fold.pd[subject.out_of_fold.target == 0]
    _mark(axes, float((repaid >= subject.threshold).mean()), recall_there)
    _percent_axis(axes.xaxis)
    _percent_axis(axes.yaxis)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    _legend(figure, axes)
    return figure


def _precision_recall(subject: Subject) -> "Figure":
    figure, axes = _plot(
        "How many of the declined would have defaulted",
        "share of defaults caught (recall)",
        "defaults among the declined (precision)",
    )
    for name, predictions, line in _compared(subject):
        precision, recall, _ = precision_recall_curve(predictions.target, predictions.pd)
        area = average_precision_score(predictions.target, predictions.pd)
        axes.plot(recall, precision, drawstyle="steps-post", label=f"{name}, AUC {area:.4f}", **line)
    base_rate = subject.out_of_fold.target.mean()
    axes.axhline(base_rate, label=f"chance, {100 * base_rate:.2f} % defaults", **_CHANCE)
    recall, precision, _, _ = _rates(subject.out_of_fold, subject.threshold)
    _mark(axes, recall, precision)
    _percent_axis(axes.xaxis)
    _percent_axis(axes.yaxis)
    axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.02))
    _legend(figure, axes)
    return figure


def _reliability(subject: Subject) -> "Figure":
    figure, axes = _plot(
        "Did as many default as predicted? (out of fold)",
        f"mean PD of a tenth of the applicants ({CALIBRATION_BINS} bins, logarithmic)",
        "share that defaulted (logarithmic)",
    )
    models = (
        ("model", _bins(subject.out_of_fold), _MODEL, "o", 0.97),
        ("logistic regression", _bins(subject.baseline), _BASELINE, "s", 1.03),
    )
    lowest = _below(min(pd for _, bins, *_ in models for pd, *_ in bins))
    bottom = _below(min((low for _, bins, *_ in models for _, _, low, _ in bins if low > 0), default=0.1))
    nobody = bottom / 2.5  # a bin without a default has a place of its own below the logarithmic axis
    some_are_zero = any(observed == 0 for _, bins, *_ in models for _, observed, _, _ in bins)
    start = max(lowest, bottom)
    axes.plot([start, 1], [start, 1], label="as predicted", **_CHANCE)
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
    _log_percent_axis(axes.xaxis, lowest)
    _log_percent_axis(axes.yaxis, bottom, {nobody: "none"} if some_are_zero else None)
    _legend(figure, axes)
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


def _score_distribution(subject: Subject) -> "Figure":
    figure, axes = _plot(
        "Predicted PDs of those who repaid and those who defaulted (out of fold)", "PD (logarithmic)", ""
    )
    predictions = subject.out_of_fold
    lowest = _below(min(float(predictions.pd.min()), subject.medium_from))
    edges, tallest = np.geomspace(lowest, 1, _SCORE_BINS + 1), 0.0
    for label, name, colour in ((0, "repaid", _BLUE), (1, "defaulted", _ORANGE)):
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
    _log_percent_axis(axes.xaxis, lowest)
    _percent_axis(axes.yaxis, decimals=None)
    _mark_bands(axes, subject, lowest)
    _legend(figure, axes)
    return figure


def _threshold(subject: Subject) -> "Figure":
    figure, axes = _plot(
        "What another threshold would do (out of fold)",
        "threshold: a PD from here on is declined (logarithmic)",
        "share",
    )
    predictions = subject.out_of_fold
    highest = max(float(predictions.pd.max()), subject.threshold)
    lowest = _below(min(float(np.quantile(predictions.pd, 0.25)), subject.medium_from))
    grid = np.unique(np.append(np.geomspace(lowest, highest, _THRESHOLDS), subject.threshold))
    rates = np.array([_rates(predictions, threshold) for threshold in grid]).T
    lines = (("recall", _MODEL), ("precision", _BASELINE), ("F1", _HOLDOUT), ("share declined", _WITHOUT_SMOTE))
    stored = _rates(predictions, subject.threshold)
    for (name, line), values, at_stored in zip(lines, rates, stored, strict=True):
        said = "undefined" if np.isnan(at_stored) else f"{100 * at_stored:.1f} %"
        axes.plot(grid, values, label=f"{name}, {said} at the threshold", **line)
        axes.plot([subject.threshold], [at_stored], "o", color=line["color"], markersize=5)
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.16))
    _log_percent_axis(axes.xaxis, lowest)
    _percent_axis(axes.yaxis)
    _mark_bands(axes, subject, lowest)
    _legend(figure, axes)
    return figure


def _importance(subject: Subject) -> "Figure":
    found = sorted(subject.importance.items(), key=lambda item: (-item[1], item[0]))
    shown = found[:_MOST_BARS]
    figure, axes = _plot(
        "How much each column moves the score"
        + (f" (the first {len(shown)} of {len(found)} columns)" if len(shown) < len(found) else ""),
        "mean absolute contribution, log-odds",
        "",
        height_inches=1.5 + 0.3 * len(shown),
    )
    places, sizes = np.arange(len(shown)), [size for _, size in shown]
    axes.barh(places, sizes, color=_BLUE, height=0.66)
    for place, size in zip(places, sizes, strict=True):
        axes.annotate(f"{size:.3f}", (size, place), xytext=(4, 0), textcoords="offset points", va="center", size=9.5)
    axes.set_yticks(places, [_short(name) for name, _ in shown])
    axes.set(xlim=(0, 1.12 * max([*sizes, 1e-9])), ylim=(len(shown) - 0.4, -0.6))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    return figure


def _slices(subject: Subject) -> "Figure":
    columns = {
        each.column: [other for other in subject.slices if other.column == each.column] for each in subject.slices
    }
    heights = [0.7 + 0.3 * len(groups) for groups in columns.values()]
    figure = _figure(height_inches=sum(heights) + 1.6)
    figure.suptitle(
        "How groups fare that the model never sees (out of fold)", x=0.01, ha="left", weight="bold", size=11
    )
    panels = figure.subplots(len(columns), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (column, groups) in zip(panels, columns.items(), strict=True):
        _draw_groups(axes, groups)
        axes.set_title(f"{_short(column)} (applicants)", weight="normal", size=10)
    highest = max(max(wilson(each.defaults, each.rows)[1], each.mean_pd, each.declined) for each in subject.slices)
    panels[-1].set(xlim=(0, min(1.02, 1.05 * highest)), xlabel="share of the group; mean PD")
    _percent_axis(panels[-1].xaxis, decimals=None)
    _legend(figure, panels[0])
    return figure


def _draw_groups(axes: "Axes", groups: Sequence[Slice]) -> None:
    places = np.arange(len(groups))
    low, high = np.array([wilson(each.defaults, each.rows) for each in groups]).T
    axes.hlines(places, low, high, color=_ORANGE, linewidth=6, alpha=0.3, label="95 % interval of the defaulted")
    for name, shares, marker, colour in (
        ("defaulted", [each.default_rate for each in groups], "s", _ORANGE),
        ("mean PD", [each.mean_pd for each in groups], "o", _BLUE),
        ("declined", [each.declined for each in groups], "D", _PURPLE),
    ):
        axes.plot(shares, places, marker, color=colour, markersize=6, label=name, clip_on=False, zorder=3)
    axes.set_yticks(places, [f"{_short(each.group)} ({each.rows:,})" for each in groups])
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _compared(subject: Subject) -> list[tuple[str, Predictions, dict[str, Any]]]:
    compared = [
        ("model, out of fold", subject.out_of_fold, _MODEL),
        ("logistic regression, out of fold", subject.baseline, _BASELINE),
        ("model, hold-out", subject.holdout, _HOLDOUT),
    ]
    if subject.without_smote is not None:
        compared.append(("without SMOTE, out of fold", subject.without_smote, _WITHOUT_SMOTE))
    return compared


def _rates(predictions: Predictions, threshold: float) -> tuple[float, float, float, float]:
    """Recall, precision, F1 and the share declined at a threshold; precision is NaN when nobody is declined."""
    declined = predictions.pd >= threshold
    caught, refused = int(predictions.target[declined].sum()), int(declined.sum())
    defaults = int(predictions.target.sum())
    precision = caught / refused if refused else float("nan")
    return caught / defaults, precision, 2 * caught / (refused + defaults), refused / len(declined)


def _figure(height_inches: float = _HEIGHT_INCHES) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH_INCHES, height_inches), dpi=_DPI)


def _plot(title: str, xlabel: str, ylabel: str, height_inches: float = _HEIGHT_INCHES) -> "tuple[Figure, Axes]":
    figure = _figure(height_inches)
    axes = figure.subplots()
    figure.suptitle(title, x=0.01, ha="left", weight="bold", size=11)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure, axes


def _legend(figure: "Figure", axes: "Axes") -> None:
    """Below the axes, where it can hide nothing."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def _mark(axes: "Axes", x: float, y: float) -> None:
    axes.plot([x], [y], "o", color=_INK, markersize=6, label="the model at its threshold", zorder=5)


def _mark_bands(axes: "Axes", subject: Subject, lowest: float) -> None:
    """The threshold and the bands, named along the upper edge."""
    axes.axvline(subject.medium_from, color=_GREY, linewidth=1.0, linestyle=(0, (3, 2)))
    axes.axvline(subject.threshold, color=_INK, linewidth=1.2)
    for name, low, high, height in (
        ("Low", lowest, subject.medium_from, 0.985),
        ("Medium", subject.medium_from, subject.threshold, 0.925),  # below the others, for its band is narrow
        ("High", subject.threshold, 1.0, 0.985),
    ):
        axes.text(
            float(np.sqrt(low * high)),
            height,
            name,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="top",
            size=9.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )


def _percent_axis(axis: Any, decimals: int | None = 0) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(xmax=1, decimals=decimals, symbol=" %"))


def _log_percent_axis(axis: Any, lowest: float, named: Mapping[float, str] | None = None) -> None:
    """Ticks at the powers of ten from `lowest` to 1, between them when there are few, and `named` ones."""
    from matplotlib.ticker import NullLocator

    decades = round(-float(np.log10(lowest)))
    steps = (1, 2, 5) if decades <= 2 else (1,)
    ticks = [step * 10.0 ** (place - decades) for place in range(decades) for step in steps] + [1.0]
    labels = {tick: _percent(tick) for tick in ticks} | dict(named or {})
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(list(labels), list(labels.values()))


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def _below(pd: float) -> float:
    """The power of ten below a PD, where a logarithmic axis may begin."""
    return float(10.0 ** np.floor(np.log10(0.999 * max(pd, _LOWEST_PD * 1.01))))


def _short(name: str) -> str:
    """A name on one line that leaves room for the picture."""
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1] + "…"


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    written = io.BytesIO()
    FigureCanvasAgg(figure)  # draws without a display; the figure keeps it
    figure.savefig(written, format="png", metadata={"Software": None})  # the version would make the bytes differ
    return written.getvalue()
