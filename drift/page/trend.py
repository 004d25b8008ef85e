"""Where the lines of a picture are: the PSI of a column, check by check, and what an alarm needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from loan_default.drift_link.messages import TrendPoint

# In the units of the picture, as in `bars`.
WIDTH = 360
HEIGHT = 168
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 348.0, 12.0, 140.0
# How much higher than the highest value the picture ends.
_ROOM = 1.15


@dataclass(frozen=True)
class Trend:
    """The picture.

    Attributes:
        psi, chance: the lines of PSI and of the critical value, as SVG has points: `x,y x,y`.
        threshold: the height of the threshold.
        top: the value at the upper end.
        alarms: from where to where an alarm was on.
        last: where the last point is.
        first_at, last_at: when the first and the last check were.
        highest: the highest PSI.
    """

    psi: str
    chance: str
    threshold: float
    top: float
    alarms: Sequence[tuple[float, float]]
    last: tuple[float, float]
    first_at: datetime
    last_at: datetime
    highest: float
    width: int = WIDTH
    height: int = HEIGHT
    left: float = _LEFT
    right: float = _RIGHT
    upper: float = _TOP
    lower: float = _BOTTOM


def draw_trend(name: str, checks: Sequence[TrendPoint], threshold: float) -> Trend | None:
    """The picture of a column; None for fewer than two checks of it.

    Args:
        name: of a feature, or the PD's.
        checks: the oldest first.
        threshold: the PSI from which a shift matters.
    """
    known = [check for check in checks if name in check.psi]
    if len(known) < 2:
        return None
    first, last = known[0].at, known[-1].at
    highest = max(check.psi[name] for check in known)
    top = _ROOM * max(threshold, highest)
    spread = max((last - first).total_seconds(), 1.0)

    def x(at: datetime) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (at - first).total_seconds() / spread, 1)

    def y(value: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * min(value / top, 1.0), 1)

    return Trend(
        psi=" ".join(f"{x(check.at)},{y(check.psi[name])}" for check in known),
        chance=" ".join(f"{x(check.at)},{y(check.critical[name])}" for check in known),
        threshold=y(threshold),
        top=top,
        alarms=[(x(since), x(until)) for since, until in _spans(name, known)],
        last=(x(last), y(known[-1].psi[name])),
        first_at=first,
        last_at=last,
        highest=highest,
    )


def _spans(name: str, checks: Sequence[TrendPoint]) -> list[tuple[datetime, datetime]]:
    """From when to when there was an alarm: until the check that cleared it, or the last one."""
    spans = []
    places = groupby(range(len(checks)), key=lambda i: name in checks[i].drifted)
    for alarm, group in places:
        if alarm:
            found = list(group)
            spans.append((checks[found[0]].at, checks[min(found[-1] + 1, len(checks) - 1)].at))
    return spans
