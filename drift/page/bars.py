"""Where the bars of a picture are: the share of the window and of the reference in each bin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# In the units of the picture, which is as wide on a telephone and is drawn larger elsewhere.
WIDTH = 360
_LEFT = 132
_LONGEST = 172
_ROW = 30
_TOP = 4
# Longer names are cut in the picture; the table below it has them whole.
_LONGEST_LABEL = 21


@dataclass(frozen=True)
class Bar:
    """One bin.

    Attributes:
        label, short: what it is called, and the same as it fits into the picture.
        window, reference: its share, 0 to 1.
        y: of its upper end.
        window_length, reference_length: of its bars.
    """

    label: str
    short: str
    window: float
    reference: float
    y: float
    window_length: float
    reference_length: float


@dataclass(frozen=True)
class Bars:
    """The picture: `bars` from top to bottom, beginning at `left`; `width` and `height` of the whole."""

    bars: Sequence[Bar]
    width: int = WIDTH
    left: int = _LEFT

    @property
    def height(self) -> int:
        """Of the whole."""
        return 2 * _TOP + _ROW * len(self.bars)


def draw_bars(window: NDArray[np.int64], reference: NDArray[np.int64], labels: Sequence[str]) -> Bars:
    """The picture of a column, without bins that are empty in both.

    Args:
        window: (B,), at least one row in all.
        reference: (B,), likewise.
        labels: of the B bins.
    """
    shares = [each / each.sum() for each in (window, reference)]
    longest = max(share.max() for share in shares)
    shown = np.flatnonzero((window > 0) | (reference > 0))
    return Bars(
        [
            Bar(
                label=labels[i],
                short=_short(labels[i]),
                window=float(shares[0][i]),
                reference=float(shares[1][i]),
                y=_TOP + _ROW * place,
                window_length=round(float(_LONGEST * shares[0][i] / longest), 1),
                reference_length=round(float(_LONGEST * shares[1][i] / longest), 1),
            )
            for place, i in enumerate(shown.tolist())
        ]
    )


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
