"""Gates: each limit from both sides, the hold-out's veto, and which stages a model may go to."""

import math

import pytest

from loan_default.schema.declaration import Gates, StageGates
from loan_default.settings import Stage
from loan_default.training.evaluate import Figures, Intervals
from loan_default.training.gates import CEILINGS, DEFAULT_GATES, STAGES, GateResult, Side, check_gates, stages_passed

EVERYWHERE = (0.0, 1.0)
FIGURES = list(StageGates.model_fields)


def side_of(figure: str) -> Side:
    return "at most" if figure in CEILINGS else "at least"


def limit_of(figure: str, stage: Stage) -> float:
    return float(getattr(getattr(DEFAULT_GATES, stage), figure))


CASES = [(figure, stage, side_of(figure), limit_of(figure, stage)) for figure in FIGURES for stage in STAGES]
EACH_GATE = pytest.mark.parametrize(("figure", "stage", "side", "limit"), CASES)


def good() -> Figures:
    """Figures exactly at the limits of production."""
    return {figure: limit_of(figure, "production") for figure in FIGURES}


def wide() -> Intervals:
    """A hold-out that rules nothing out."""
    return dict.fromkeys(FIGURES, EVERYWHERE)


def just_wrong(side: Side, limit: float) -> float:
    return math.nextafter(limit, -math.inf if side == "at least" else math.inf)


def gate(side: Side, out_of_fold: float, holdout: tuple[float, float]) -> GateResult:
    return GateResult("recall", "production", side, 0.75, out_of_fold, holdout)


@EACH_GATE
def test_a_figure_at_its_limit_passes(figure: str, stage: Stage, side: Side, limit: float) -> None:
    assert GateResult(figure, stage, side, limit, limit, EVERYWHERE).passed


@EACH_GATE
def test_a_figure_just_beyond_its_limit_fails_its_gate_alone(
    figure: str, stage: Stage, side: Side, limit: float
) -> None:
    results = check_gates(DEFAULT_GATES, good() | {figure: just_wrong(side, limit)}, wide())
    failed = [result.figure for result in results if result.stage == stage and not result.passed]
    assert failed == [figure]


@EACH_GATE
def test_staging_asks_for_no_more_than_production(figure: str, stage: Stage, side: Side, limit: float) -> None:
    production = limit_of(figure, "production")
    assert limit <= production if side == "at least" else limit >= production, stage


def test_there_is_one_result_for_each_gate_and_stage() -> None:
    found = [
        (result.figure, result.stage, result.side, result.limit)
        for result in check_gates(DEFAULT_GATES, good(), wide())
    ]
    assert found == CASES


def test_figures_without_a_gate_are_not_looked_at() -> None:
    assert len(check_gates(DEFAULT_GATES, good() | {"log_loss": math.inf}, wide())) == len(CASES)


@pytest.mark.parametrize(
    ("holdout", "passes"),
    [((0.6, 0.9), True), ((0.8, 0.9), True), ((0.6, 0.75), True), ((0.6, math.nextafter(0.75, 0)), False)],
)
def test_the_hold_out_vetoes_only_when_all_of_it_is_below_a_floor(holdout: tuple[float, float], passes: bool) -> None:
    assert gate("at least", 0.99, holdout).passed is passes


@pytest.mark.parametrize(
    ("holdout", "passes"),
    [((0.6, 0.9), True), ((0.6, 0.7), True), ((0.75, 0.9), True), ((math.nextafter(0.75, 1), 0.9), False)],
)
def test_the_hold_out_vetoes_only_when_all_of_it_is_above_a_ceiling(holdout: tuple[float, float], passes: bool) -> None:
    assert gate("at most", 0.01, holdout).passed is passes


@pytest.mark.parametrize(("side", "bad"), [("at least", 0.5), ("at most", 0.9)])
def test_a_good_hold_out_does_not_save_a_bad_figure(side: Side, bad: float) -> None:
    assert not gate(side, bad, EVERYWHERE).passed


@pytest.mark.parametrize("side", ["at least", "at most"])
def test_a_figure_that_is_no_number_never_passes(side: Side) -> None:
    assert not gate(side, math.nan, EVERYWHERE).passed
    assert not gate(side, 0.75, (math.nan, math.nan)).passed


def test_a_model_at_productions_limits_goes_everywhere() -> None:
    assert stages_passed(check_gates(DEFAULT_GATES, good(), wide())) == ["production", "staging"]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_model_at_stagings_limit_goes_to_staging_alone(figure: str) -> None:
    figures = good() | {figure: limit_of(figure, "staging")}
    assert stages_passed(check_gates(DEFAULT_GATES, figures, wide())) == ["staging"]


@pytest.mark.parametrize("figure", FIGURES)
def test_one_failed_gate_of_staging_keeps_a_model_out_of_both(figure: str) -> None:
    figures = good() | {figure: just_wrong(side_of(figure), limit_of(figure, "staging"))}
    assert stages_passed(check_gates(DEFAULT_GATES, figures, wide())) == []


def test_a_declaration_may_have_gates_of_its_own() -> None:
    own = Gates(production=StageGates(recall=0.9, brier=0.2), staging=StageGates(recall=0.8))
    results = check_gates(own, good() | {"recall": 0.85, "brier": 0.1}, wide())
    assert [(result.figure, result.stage, result.passed) for result in results] == [
        ("recall", "production", False),
        ("recall", "staging", True),
        ("brier", "production", True),
    ]
    assert stages_passed(results) == ["staging"]


def test_a_failed_gate_says_what_was_asked_and_what_was_found() -> None:
    assert str(gate("at least", 0.71234, (0.5, 0.875))) == (
        "recall 0.7123 must be at least 0.75 for production (hold-out 0.5000 to 0.8750)"
    )
    assert str(GateResult("brier", "staging", "at most", 0.03, 0.0412, (0.02, 0.05))) == (
        "brier 0.0412 must be at most 0.03 for staging (hold-out 0.0200 to 0.0500)"
    )
