"""What the bins of a column are called, for people."""

from collections.abc import Sequence
from itertools import pairwise

from loan_default.bins import Bins

# Digits after the point that a number is shown with, at most.
_MOST_DIGITS = 12


def labels(bins: Bins, words: Sequence[str] = (), *, percent: bool = False) -> list[str]:
    """A name for each bin, in the order of `bins.reference`, no two the same.

    Args:
        bins: of one feature or of the PD.
        words: what its values 0, 1, … stand for; empty for a number.
        percent: whether its values are shares.
    """
    if bins.kind == "values":
        named = [_word(point, words) for point in bins.points]
    elif bins.points:
        ends = _numbers([100 * end for end in bins.points] if percent else bins.points)
        unit = " %" if percent else ""
        between = [f"{low} – {high}{unit}" for low, high in pairwise(ends)]
        named = [f"up to {ends[0]}{unit}", *between, f"over {ends[-1]}{unit}"]
    else:
        named = ["any value"]
    missing_apart = len(bins.reference) - len(bins.counts) == 2
    rest = "missing" if bins.kind == "quantiles" else "rare or unseen"
    if missing_apart:
        rest = "rare or unseen"
        named.append("missing")
    elif bins.kind == "values":
        rest = "rare, unseen, missing"
    return _unlike([*named, rest])


def _word(point: float, words: Sequence[str]) -> str:
    known = point.is_integer() and 0 <= point < len(words)
    return words[int(point)] if known else _numbers((point,))[0]


def _numbers(points: Sequence[float]) -> list[str]:
    """Numbers as short as still tells them apart: three digits, or whole numbers from a thousand on."""
    for more in range(_MOST_DIGITS):
        shown = [_shown(point, more) for point in points]
        if len(set(shown)) == len(points):
            return shown
    return [repr(point) for point in points]


def _shown(point: float, more: int) -> str:
    if abs(point) >= 1000:
        return f"{point:,.{more}f}"
    return f"{point:.{3 + more}g}"


def _unlike(named: Sequence[str]) -> list[str]:
    """The same names, those that stand there twice with a number behind."""
    seen: dict[str, int] = {}
    found = []
    for name in named:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
