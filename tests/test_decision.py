"""Calibration, bands and the threshold: hand-computed numbers, exact edges, and JSON that loses nothing."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from loan_default.decision import Calibration, Cost, Decision, MaxF1, RecallFloor

POLICY = RecallFloor(recall_floor=0.77)


def decision_at(threshold: float) -> Decision:
    return Decision.at(threshold, Calibration(slope=1, intercept=0), POLICY)


def test_calibration_is_the_sigmoid_of_a_line() -> None:
    margins = np.array([0.5, 0.5 + math.log(3) / 2, 0.5 - math.log(9) / 2])
    pd = Calibration(slope=2, intercept=-1).pd(margins)
    assert pd.tolist() == pytest.approx([0.5, 0.75, 0.1], rel=1e-15)


def test_a_steeper_slope_moves_away_from_one_half() -> None:
    margins = np.array([1.0])
    assert Calibration(slope=2, intercept=0).pd(margins)[0] > Calibration(slope=1, intercept=0).pd(margins)[0] > 0.5


def test_hopeless_margins_give_0_and_1_without_warnings() -> None:
    margins = np.array([-np.inf, -1e308, -1e4, 1e4, 1e308, np.inf])
    assert Calibration(slope=10, intercept=-3).pd(margins).tolist() == [0, 0, 0, 1, 1, 1]


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.01, 100), st.floats(-100, 100))
def test_calibration_keeps_the_order_of_margins(one: float, other: float, slope: float, intercept: float) -> None:
    low, high = Calibration(slope=slope, intercept=intercept).pd(np.array(sorted([one, other])))
    assert low <= high


@pytest.mark.parametrize("slope", [0.0, -1.0, math.nan, math.inf])
def test_a_slope_that_turns_the_order_round_is_refused(slope: float) -> None:
    with pytest.raises(ValidationError, match="slope"):
        Calibration(slope=slope, intercept=0)


@pytest.mark.parametrize("threshold", [0.08798011960714884, 0.5, 0.1, 0.9999999999999999, 1e-300])
def test_bands_change_exactly_at_their_edges(threshold: float) -> None:
    decision = decision_at(threshold)
    assert decision.medium_from == threshold / 2
    assert decision.band(threshold) == "High"
    assert decision.band(math.nextafter(threshold, 0)) == "Medium"
    assert decision.band(threshold / 2) == "Medium"
    assert decision.band(math.nextafter(threshold / 2, 0)) == "Low"
    assert decision.band(0.0) == "Low"
    assert decision.band(1.0) == "High"


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1, 1.1, math.nan])
def test_a_threshold_that_decides_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(ValidationError, match="threshold"):
        decision_at(threshold)


def highest_threshold(pd: NDArray[np.float64], target: NDArray[np.int64], floor: float) -> float:
    return RecallFloor.model_construct(recall_floor=floor).threshold(pd, target)


def test_the_threshold_catches_the_share_of_defaults_asked_for() -> None:
    pd = np.array([0.9, 0.8, 0.7, 0.6, 0.95, 0.1])
    target = np.array([1, 1, 1, 1, 0, 0])
    assert [highest_threshold(pd, target, floor) for floor in (0.25, 0.26, 0.5, 0.75, 1.0)] == [0.9, 0.8, 0.8, 0.7, 0.6]


def test_77_percent_of_100_defaults_are_77() -> None:
    pd = np.arange(100, 0, -1) / 1000
    assert highest_threshold(pd, np.ones(100, dtype=np.int64), 0.77) == pd[76]


SCORED = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.2000001, 0.5, 0.9, 1.0]), st.integers(0, 1)), min_size=1, max_size=12
).filter(lambda rows: any(target for _, target in rows))


@settings(deadline=None)
@given(SCORED, st.integers(1, 100))
def test_the_threshold_is_the_highest_that_catches_enough(rows: list[tuple[float, int]], percent: int) -> None:
    of_defaults = [pd for pd, target in rows if target]

    def enough(threshold: float) -> bool:
        return 100 * sum(pd >= threshold for pd in of_defaults) >= percent * len(of_defaults)

    pd, target = (np.array(values) for values in zip(*rows, strict=True))
    found = highest_threshold(pd, target, percent / 100)
    assert found == max(threshold for threshold, _ in rows if enough(threshold))
    assert not enough(math.nextafter(found, 2))


def counts(rows: list[tuple[float, int]], threshold: float) -> tuple[int, int, int]:
    """Defaults caught, defaults missed, payers declined."""
    caught = sum(target for pd, target in rows if pd >= threshold)
    declined = sum(pd >= threshold for pd, _ in rows)
    return caught, sum(target for _, target in rows) - caught, declined - caught


@settings(deadline=None)
@given(SCORED)
def test_max_f1_finds_the_best_f1_and_of_equals_the_highest_threshold(rows: list[tuple[float, int]]) -> None:
    def f1(threshold: float) -> Fraction:
        caught, missed, payers = counts(rows, threshold)
        return Fraction(2 * caught, 2 * caught + missed + payers)

    pd, target = (np.array(values) for values in zip(*rows, strict=True))
    best = max(f1(threshold) for threshold, _ in rows)
    assert MaxF1().threshold(pd, target) == max(threshold for threshold, _ in rows if f1(threshold) == best)


@settings(deadline=None)
@given(SCORED, st.sampled_from([0.25, 1, 4, 64]))
def test_cost_finds_the_least_cost_and_of_equals_the_highest_threshold(
    rows: list[tuple[float, int]], ratio: float
) -> None:
    def cost(threshold: float) -> float:
        _, missed, payers = counts(rows, threshold)
        return ratio * missed + payers

    pd, target = (np.array(values) for values in zip(*rows, strict=True))
    least = min(cost(threshold) for threshold, _ in rows)
    assert Cost(cost_ratio=ratio).threshold(pd, target) == max(pd for pd, _ in rows if cost(pd) == least)


@pytest.mark.parametrize("policy", [RecallFloor(recall_floor=0.5), MaxF1(), Cost(cost_ratio=12.5)])
def test_every_policy_is_stored_with_the_decision(policy: RecallFloor | MaxF1 | Cost) -> None:
    decision = Decision.at(0.1, Calibration(slope=1, intercept=0), policy)
    assert Decision.model_validate_json(decision.model_dump_json()).policy == policy


def test_policies_say_in_words_what_they_do() -> None:
    assert str(POLICY) == "the highest threshold that catches 77 % of the defaults"
    assert str(MaxF1()) == "the threshold with the best F1"
    assert str(Cost(cost_ratio=20)) == "the cheapest threshold when a missed default costs 20 times a declined payer"


@settings(deadline=None)
@given(
    st.floats(1e-300, 1, exclude_max=True),
    st.floats(0, exclude_min=True, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1, exclude_min=True, exclude_max=True),
)
def test_json_keeps_the_floats_to_the_last_bit(threshold: float, slope: float, intercept: float, floor: float) -> None:
    policy = RecallFloor(recall_floor=floor)
    decision = Decision.at(threshold, Calibration(slope=slope, intercept=intercept), policy)
    text = json.dumps(decision.model_dump(mode="json"))
    for again in (Decision.model_validate_json(text), Decision.model_validate_json(decision.model_dump_json())):
        assert _bits(again) == _bits(decision)


def _bits(decision: Decision) -> list[str]:
    calibration = decision.calibration
    floats = (calibration.slope, calibration.intercept, decision.threshold, decision.medium_from)
    assert isinstance(decision.policy, RecallFloor)
    return [value.hex() for value in (*floats, decision.policy.recall_floor)]


@pytest.mark.parametrize("part", ["", "calibration", "policy"])
def test_unknown_keys_are_refused(part: str) -> None:
    content = decision_at(0.1).model_dump()
    (content[part] if part else content)["extra"] = 1
    with pytest.raises(ValidationError, match="extra"):
        Decision.model_validate(content)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValidationError, match="name"):
        Decision.model_validate({**decision_at(0.1).model_dump(), "policy": {"name": "by-feel"}})


def test_a_decision_never_changes_once_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(decision_at(0.1), "threshold", 0.2)  # noqa: B010  # mypy refuses the plain one
