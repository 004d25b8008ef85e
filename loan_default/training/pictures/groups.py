"""How do groups fare? What happened to them, what was predicted, what was decided."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from loan_default.training.evaluate import wilson
from loan_default.training.pictures.canvas import BLUE, ORANGE, PURPLE, legend, new_figure, percent_axis, short
from loan_default.training.pictures.subject import Subject
from loan_default.training.slices import Slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def groups(subject: Subject) -> "Figure":
    """Default rate, mean PD and share declined of every group."""
    columns = {
        each.column: [other for other in subject.slices if other.column == each.column] for each in subject.slices
    }
    heights = [0.7 + 0.3 * len(groups) for groups in columns.values()]
    figure = new_figure(height_inches=sum(heights) + 1.6)
    figure.suptitle("How groups fare (out of fold)", x=0.01, ha="left", weight="bold", size=11)
    panels = figure.subplots(len(columns), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (column, groups) in zip(panels, columns.items(), strict=True):
        _draw_groups(axes, groups)
        axes.set_title(f"{short(column)} (applicants)", weight="normal", size=10)
    highest = max(max(wilson(each.defaults, each.rows)[1], each.mean_pd, each.declined) for each in subject.slices)
    panels[-1].set(xlim=(0, min(1.02, 1.05 * highest)), xlabel="share of the group; mean PD")
    percent_axis(panels[-1].xaxis, decimals=None)
    legend(figure, panels[0])
    return figure


def _draw_groups(axes: "Axes", groups: Sequence[Slice]) -> None:
    places = np.arange(len(groups))
    low, high = np.array([wilson(each.defaults, each.rows) for each in groups]).T
    axes.hlines(places, low, high, color=ORANGE, linewidth=6, alpha=0.3, label="95 % interval of the defaulted")
    for name, shares, marker, colour in (
        ("defaulted", [each.default_rate for each in groups], "s", ORANGE),
        ("mean PD", [each.mean_pd for each in groups], "o", BLUE),
        ("declined", [each.declined for each in groups], "D", PURPLE),
    ):
        axes.plot(shares, places, marker, color=colour, markersize=6, label=name, clip_on=False, zorder=3)
    axes.set_yticks(places, [f"{short(each.group)} ({each.rows:,})" for each in groups])
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
