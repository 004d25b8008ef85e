"""Where the lines of a trend are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from drift.page.trend import draw_trend
from loan_default.drift_link.messages import TrendPoint

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def checks(psi: Sequence[float], drifted: Sequence[int] = ()) -> list[TrendPoint]:
    return [
        TrendPoint(
            at=START + timedelta(minutes=i),
            samples=1_000,
            psi={"a": value},
            critical={"a": 0.03},
            drifted=["a"] if i in drifted else [],
        )
        for i, value in enumerate(psi)
    ]


def points(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (point.split(",") for point in line.split())]


def test_time_goes_to_the_right_and_psi_up() -> None:
    trend = draw_trend("a", checks([0.0, 0.1, 0.4]), 0.15)
    assert trend is not None
    line = points(trend.psi)
    assert [x for x, _ in line] == [trend.left, (trend.left + trend.right) / 2, trend.right]
    assert line[0][1] == trend.lower
    assert trend.upper < line[2][1] < trend.threshold < line[1][1] < line[0][1]
    assert trend.last == line[-1]


def test_the_threshold_is_in_the_picture_however_low_psi_is() -> None:
    trend = draw_trend("a", checks([0.001, 0.002]), 0.15)
    assert trend is not None
    assert trend.upper < trend.threshold < trend.lower


def test_an_alarm_goes_from_the_check_that_raised_it_to_the_one_that_cleared_it() -> None:
    trend = draw_trend("a", checks([0, 1, 1, 0, 1], drifted=[1, 2, 4]), 0.15)
    assert trend is not None
    at = [x for x, _ in points(trend.psi)]
    assert trend.alarms == [(at[1], at[3]), (at[4], at[4])]


def test_one_check_is_no_trend_nor_are_those_of_other_columns() -> None:
    assert draw_trend("a", checks([0.1]), 0.15) is None
    assert draw_trend("b", checks([0.1, 0.2]), 0.15) is None
