"""When an alarm is raised and cleared."""

from drift.alarm import Alarm
from loan_default.psi import Drift

THRESHOLD = 0.15


def found(psi: float, critical: float = 0.1) -> Drift:
    return Drift(psi=psi, critical=critical, drifted=psi > THRESHOLD and psi > critical)


def after(alarm: Alarm, psi: float, taken: int, critical: float = 0.1) -> Alarm:
    return alarm.after(found(psi, critical), THRESHOLD, samples=1_000, taken=taken, at=float(taken))


def test_far_beyond_chance_it_is_raised_at_once() -> None:
    assert after(Alarm(), 0.21, 1_000) == Alarm(since=1_000.0)


def test_just_beyond_chance_it_is_raised_when_a_quarter_of_the_window_is_new() -> None:
    first = after(Alarm(), 0.16, 1_000)
    assert first == Alarm(doubted=1_000)
    assert after(first, 0.16, 1_249).since is None
    assert after(first, 0.16, 1_250) == Alarm(since=1_250.0)


def test_looking_again_at_the_same_samples_raises_nothing() -> None:
    alarm = Alarm()
    for _ in range(100):
        alarm = after(alarm, 0.16, 1_000)
    assert alarm.since is None


def test_a_single_accident_is_forgotten() -> None:
    assert after(after(Alarm(), 0.16, 1_000), 0.05, 1_100) == Alarm()


def test_below_the_threshold_nothing_is_raised_however_certain() -> None:
    assert after(Alarm(), 0.149, 1_000, critical=0.001) == Alarm()


def test_over_the_threshold_by_chance_nothing_is_raised() -> None:
    assert after(Alarm(), 0.3, 1_000, critical=0.31) == Alarm()


def test_around_the_threshold_it_stays_on() -> None:
    alarm = Alarm(since=0.0)
    for taken in range(1_000, 9_000, 100):
        alarm = after(alarm, 0.16 if taken % 200 else 0.11, taken, critical=0.03)
    assert alarm == Alarm(since=0.0)


def test_it_is_cleared_when_psi_stays_well_below_for_a_quarter_of_the_window() -> None:
    doubted = after(Alarm(since=0.0), 0.1, 1_000, critical=0.03)
    assert doubted == Alarm(since=0.0, doubted=1_000)
    assert after(doubted, 0.01, 1_200, critical=0.03).since == 0.0
    assert after(doubted, 0.01, 1_250, critical=0.03) == Alarm()
