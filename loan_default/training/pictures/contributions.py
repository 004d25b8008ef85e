"""What moves the score? Each column's contribution on average, and for each applicant.

Both show rows that the model was not trained on: what a model makes of its own training rows says less of the next
applicant. One dot for each applicant and column shows what the average hides: the direction, and whether a few
applicants or all of them are concerned.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from loan_default.training.pictures.canvas import BLUE, GREY, INK, ORANGE, plot, short
from loan_default.training.pictures.subject import Contributed, Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_MOST_BARS = 25
_MOST_CATEGORIES = 6  # of one column; the rarer ones are taken together
_PLACES = 160  # dots in the same place of the axis are put above and below one another
_HALF_ROW = 0.42
_LOW_TO_HIGH = (BLUE, "#B8B8B8", ORANGE)


@dataclass(frozen=True)
class _Row:
    """One line of dots. `values` is None where they have no order, because all dots are of one category."""

    label: str
    log_odds: NDArray[np.float64]
    values: NDArray[np.float64] | None


def contributions(subject: Subject) -> "Figure":
    """One dot for each applicant and column: its contribution, coloured by the column's value."""
    order = sorted(subject.importance.items(), key=lambda item: (-item[1], item[0]))
    rows = [row for name, _ in order for row in _rows(subject.contributed, name)]
    shown = rows[:_MOST_BARS]
    figure, axes = plot(
        f"What each column adds to the score of {len(subject.contributed.values):,} hold-out applicants"
        + (f" (the first {len(shown)} of {len(rows)} rows)" if len(shown) < len(rows) else ""),
        "contribution, log-odds: to the right it raises the risk",
        "",
        height_inches=1.6 + 0.42 * len(shown),
    )
    axes.axvline(0, color=GREY, linewidth=1.0)
    everywhere = np.concatenate([row.log_odds for row in shown])
    span = float(np.ptp(everywhere)) or 1.0
    for place, row in enumerate(shown):
        _draw_row(axes, row, place, span)
    axes.set_yticks(np.arange(len(shown)), [row.label for row in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    if any(row.values is not None for row in shown):
        _explain_colours(figure, axes, aspect=3.5 * len(shown))
    _explain_signs(figure, shown)
    return figure


def _rows(of: Contributed, name: str) -> Iterator[_Row]:
    """The column's row, or one for each of its most frequent categories."""
    column = list(of.names).index(name)
    values, log_odds = of.values[:, column], of.log_odds[:, column]
    if name not in of.categories:
        yield _Row(short(name), log_odds, values)
        return
    known = ~np.isnan(values)
    codes, counts = np.unique(values[known].astype(np.int64), return_counts=True)
    frequent = codes[np.argsort(-counts, kind="stable")][:_MOST_CATEGORIES]
    for code in frequent:
        yield _Row(short(f"{name}: {of.categories[name][code]}"), log_odds[values == code], None)
    rare = known & ~np.isin(values, frequent)
    for label, rows in (("all others", rare), ("missing", ~known)):
        if rows.any():
            yield _Row(short(f"{name}: {label}"), log_odds[rows], None)


def _draw_row(axes: "Axes", row: _Row, place: int, span: float) -> None:
    x, y = row.log_odds, place + _beside_one_another(row.log_odds, span)
    if row.values is None:
        axes.scatter(x, y, s=7, color=INK, alpha=0.45, linewidths=0)
        return
    missing = np.isnan(row.values)
    axes.scatter(
        x[~missing], y[~missing], s=7, c=_ranks(row.values[~missing]), cmap=_colours(), vmin=0, vmax=1, linewidths=0
    )
    axes.scatter(x[missing], y[missing], s=12, marker="x", color=INK, linewidths=0.7)


def importance(subject: Subject) -> "Figure":
    """The mean absolute contribution of each column."""
    found = sorted(subject.importance.items(), key=lambda item: (-item[1], item[0]))
    shown = found[:_MOST_BARS]
    figure, axes = plot(
        "How much each column moves the score"
        + (f" (the first {len(shown)} of {len(found)} columns)" if len(shown) < len(found) else ""),
        "mean absolute contribution, log-odds",
        "",
        height_inches=1.5 + 0.3 * len(shown),
    )
    places, sizes = np.arange(len(shown)), [size for _, size in shown]
    axes.barh(places, sizes, color=BLUE, height=0.66)
    for place, size in zip(places, sizes, strict=True):
        axes.annotate(f"{size:.3f}", (size, place), xytext=(4, 0), textcoords="offset points", va="center", size=9.5)
    axes.set_yticks(places, [short(name) for name, _ in shown])
    axes.set(xlim=(0, 1.12 * max([*sizes, 1e-9])), ylim=(len(shown) - 0.4, -0.6))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    return figure


def _colours() -> "Colormap":
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("low to high", _LOW_TO_HIGH)


def _explain_colours(figure: "Figure", axes: "Axes", aspect: float) -> None:
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(cmap=_colours()), ax=axes, ticks=[0, 1], aspect=aspect, pad=0.02)
    bar.ax.set_yticklabels(["low", "high"])
    bar.ax.tick_params(length=0)
    bar.set_label("the column's value", labelpad=-16)
    bar.outline.set_visible(False)


def _explain_signs(figure: "Figure", rows: list[_Row]) -> None:
    """Name the signs that have no colour: missing values, and categories, which have no order."""
    from matplotlib.lines import Line2D

    signs = []
    if any(row.values is not None and np.isnan(row.values).any() for row in rows):
        signs.append(Line2D([], [], color=INK, marker="x", markersize=4, linestyle="", label="value missing"))
    if any(row.values is None for row in rows):
        label = "a category, which is neither low nor high"
        signs.append(Line2D([], [], color=INK, marker="o", markersize=3, alpha=0.6, linestyle="", label=label))
    if signs:
        figure.legend(handles=signs, loc="outside lower center", ncols=2)


def _beside_one_another(x: NDArray[np.float64], span: float) -> NDArray[np.float64]:
    """How far each dot is moved up or down, (n,), so that many dots in one place make the row wide there."""
    places = np.round(x / span * _PLACES).astype(np.int64)
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=places[order][:1] - 1))
    in_place = np.arange(len(x)) - np.repeat(starts, np.diff(np.append(starts, len(x))))
    steps = (in_place + 1) // 2 * np.where(in_place % 2 == 0, 1, -1)  # 0, -1, 1, -2, 2 …
    moved = np.empty(len(x))
    moved[order] = steps
    return np.asarray(moved * min(0.06, _HALF_ROW / max(1, np.abs(steps).max(initial=0))))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each value stands between the lowest, 0, and the highest, 1; equal values stand together."""
    ordered = np.sort(values)
    middle = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    if not len(values) or middle.min() == middle.max():
        return np.full(len(values), 0.5)
    return np.asarray((middle - middle.min()) / np.ptp(middle))
