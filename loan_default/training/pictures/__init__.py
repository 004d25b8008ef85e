"""The pictures of a training as PNG files, by the question they answer.

    ranking         does the model tell those who default from those who repay?
    calibration     are the PDs true?
    decisions       what does the threshold do?
    contributions   what moves the score?
    groups          how do groups fare?

Each picture is one function from a `Subject` to a figure, drawn on the one `canvas`; `draw` makes all of them. The same
subject gives the same bytes. Who reads them is told by `card.py`.
"""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from loan_default.training.pictures.calibration import reliability
from loan_default.training.pictures.canvas import STYLE, png
from loan_default.training.pictures.contributions import contributions, importance
from loan_default.training.pictures.decisions import confusion_matrix, threshold_curve
from loan_default.training.pictures.groups import groups
from loan_default.training.pictures.ranking import precision_recall, roc, score_distribution
from loan_default.training.pictures.subject import Contributed, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Contributed", "Subject", "draw"]


def draw(subject: Subject) -> dict[str, bytes]:
    """Every picture as PNG by its file name."""
    from matplotlib import style

    drawn: dict[str, Callable[[Subject], Figure]] = {
        "confusion_matrix.png": confusion_matrix,
        "roc.png": roc,
        "precision_recall.png": precision_recall,
        "reliability.png": reliability,
        "score_distribution.png": score_distribution,
        "threshold.png": threshold_curve,
        "importance.png": importance,
        "contributions.png": contributions,
    }
    if subject.slices:
        drawn["slices.png"] = groups
    # Beginning with the defaults keeps a reader's own matplotlibrc out of the pictures.
    with style.context(["default", STYLE]), warnings.catch_warnings():
        # A group's name may have letters that the font lacks; a box stands for them, and the card's table has the name.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        return {name: png(picture(subject)) for name, picture in drawn.items()}
