"""What all pictures are drawn with: colours, sizes, axes, labels, the file.

Matplotlib is imported when it draws: importing it writes a cache of fonts.
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from loan_default.training.pictures.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart by colour-blind readers. The line styles tell the same in black and white.
BLUE, ORANGE, GREEN, PURPLE, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#8A8A8A", "#222222"
MODEL: dict[str, Any] = {"color": BLUE, "linewidth": 2.2}
BASELINE: dict[str, Any] = {"color": ORANGE, "linestyle": (0, (5, 2))}
HOLDOUT: dict[str, Any] = {"color": GREEN, "linestyle": (0, (5, 1.5, 1, 1.5))}
WITHOUT_SMOTE: dict[str, Any] = {"color": PURPLE, "linestyle": (0, (1, 1.2))}
CHANCE: dict[str, Any] = {"color": GREY, "linewidth": 1.0}

_WIDTH_INCHES, _HEIGHT_INCHES, _DPI = 7.0, 4.9, 160  # 1120 pixels wide, sharp where it is shown at 700
STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so every machine draws the same
    "font.size": 10,
    "text.parse_math": False,  # a group may be called "$100 to $200"
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
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
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.minor.size": 0,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
}

_LOWEST_PD = 1e-6  # where a logarithmic axis ends at the latest; smaller PDs are drawn there
_LONGEST_LABEL = 34


def new_figure(height_inches: float = _HEIGHT_INCHES) -> "Figure":
    """An empty figure as wide as all others."""
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH_INCHES, height_inches), dpi=_DPI)


def plot(title: str, xlabel: str, ylabel: str, height_inches: float = _HEIGHT_INCHES) -> "tuple[Figure, Axes]":
    """A figure with a title and one pair of axes."""
    figure = new_figure(height_inches)
    axes = figure.subplots()
    figure.suptitle(title, x=0.01, ha="left", weight="bold", size=11)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure, axes


def legend(figure: "Figure", axes: "Axes") -> None:
    """Below the axes, where it can hide nothing."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def mark(axes: "Axes", x: float, y: float) -> None:
    """A dot where the model stands at its threshold."""
    axes.plot([x], [y], "o", color=INK, markersize=6, label="the model at its threshold", zorder=5)


def mark_bands(axes: "Axes", subject: Subject, lowest: float) -> None:
    """The threshold and the bands, named along the upper edge."""
    axes.axvline(subject.medium_from, color=GREY, linewidth=1.0, linestyle=(0, (3, 2)))
    axes.axvline(subject.threshold, color=INK, linewidth=1.2)
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


def percent_axis(axis: Any, decimals: int | None = 0) -> None:
    """Shares in percent; decimals None: as many as are needed."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(xmax=1, decimals=decimals, symbol=" %"))


def log_percent_axis(axis: Any, lowest: float, named: Mapping[float, str] | None = None) -> None:
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


def below(pd: float) -> float:
    """The power of ten below a PD, where a logarithmic axis may begin."""
    return float(10.0 ** np.floor(np.log10(0.999 * max(pd, _LOWEST_PD * 1.01))))


def short(name: str) -> str:
    """A name on one line that leaves room for the picture."""
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1] + "…"


def png(figure: "Figure") -> bytes:
    """The figure as a file, the same bytes each time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    written = io.BytesIO()
    FigureCanvasAgg(figure)  # draws without a display; the figure keeps it
    figure.savefig(written, format="png", metadata={"Software": None})  # the version would make the bytes differ
    return written.getvalue()
