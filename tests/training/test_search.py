"""The search for options: reproducible, never worse than where it began, and blind to every row it is not given."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest

from loan_default.errors import DataError
from loan_default.schema import Schema
from loan_default.training import search as module
from loan_default.training.data import Dataset
from loan_default.training.evaluate import Figures
from loan_default.training.fit import FitOptions, fit_booster, fit_calibration, folds
from loan_default.training.search import OBJECTIVE, RANGES, Range, Trial, search
from loan_default.training.split import holdout_mask

QUICK = FitOptions(folds=3, trees=20)
NOT_SEARCHED = set(FitOptions.model_fields) - set(RANGES)
Judge = Callable[[FitOptions], float]
JudgedBy = Callable[[Judge], None]
Searched = tuple[FitOptions, list[Trial]]
FEW = Range(5, 40, log=True)


@pytest.fixture(scope="module")
def some(dataset: Dataset) -> Dataset:
    """A quarter of the training rows."""
    training = dataset.rows(~holdout_mask(dataset, 0.2))
    return training.rows(np.arange(len(training)) % 4 == 0)


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """A range of trees for quick fits."""
    monkeypatch.setitem(RANGES, "trees", FEW)


@pytest.fixture(scope="module")
def once(some: Dataset, schema: Schema) -> Searched:
    """One search with real fits, long enough for TPE to have a say after its random start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RANGES, "trees", FEW)
        return searched(some, schema, trials=12)


@pytest.fixture
def judged_by(monkeypatch: pytest.MonkeyPatch) -> JudgedBy:
    """Replaces the fits by a formula."""

    def replace(judge: Judge) -> None:
        def figures(_data: Dataset, _schema: Schema, options: FitOptions, _pairs: Any) -> Figures:
            return {OBJECTIVE: judge(options)}

        monkeypatch.setattr(module, "_judge", figures)

    return replace


def bowl(options: FitOptions) -> float:
    """Lowest without SMOTE, at depth 3 and a learning rate of 0.03."""
    return 1 + options.smote_ratio + abs(options.depth - 3) + abs(math.log(options.learning_rate / 0.03))


def searched(data: Dataset, schema: Schema, options: FitOptions = QUICK, trials: int = 6) -> Searched:
    told: list[Trial] = []
    return search(data, schema, options, trials, told.append), told


def outcome(trials: list[Trial]) -> list[tuple[FitOptions, dict[str, float]]]:
    return [(trial.options, dict(trial.figures)) for trial in trials]


@pytest.mark.usefixtures("few_trees")
def test_the_same_data_seed_and_trials_give_the_same_answer_and_trials(
    some: Dataset, schema: Schema, once: Searched
) -> None:
    best, told = searched(some, schema, trials=12)
    assert best == once[0]
    assert outcome(told) == outcome(once[1])


def test_another_seed_tries_other_options(some: Dataset, schema: Schema, judged_by: JudgedBy) -> None:
    judged_by(bowl)
    tried = [searched(some, schema, QUICK.model_copy(update={"seed": seed}))[1] for seed in (1, 2)]
    assert [t.options.trees for t in tried[0][1:]] != [t.options.trees for t in tried[1][1:]]


@pytest.mark.parametrize(
    "given", [{}, {"smote_ratio": 0}, {"trees": 3000, "depth": 12, "learning_rate": 1, "smote_ratio": 0.001}]
)
def test_the_first_trial_is_the_given_options_wherever_they_lie(
    some: Dataset, schema: Schema, judged_by: JudgedBy, given: dict[str, float]
) -> None:
    judged_by(bowl)
    options = FitOptions.model_validate({**QUICK.model_dump(), **given})
    _, told = searched(some, schema, options)
    assert (told[0].number, told[0].options) == (0, options)


@pytest.mark.usefixtures("few_trees")
def test_one_trial_gives_the_given_options_back(some: Dataset, schema: Schema) -> None:
    best, told = searched(some, schema, trials=1)
    assert best == QUICK
    assert len(told) == 1


def test_the_answer_is_the_best_trial_and_never_worse_than_the_given_options(once: Searched) -> None:
    best, told = once
    of = {trial.options: trial.figures[OBJECTIVE] for trial in told}
    assert of[best] == min(of.values()) <= of[QUICK]


def test_the_given_options_win_a_draw(some: Dataset, schema: Schema, judged_by: JudgedBy) -> None:
    judged_by(lambda _: 0.5)
    assert searched(some, schema)[0] == QUICK


def test_it_finds_what_is_better(some: Dataset, schema: Schema, judged_by: JudgedBy) -> None:
    judged_by(bowl)
    best, _ = searched(some, schema, trials=60)
    assert (best.smote_ratio, best.depth) == (0, 3)
    assert best.learning_rate == pytest.approx(0.03, rel=0.2)


@pytest.mark.parametrize("seed", [0, 7, 42])
def test_all_trials_but_the_first_stay_within_the_ranges(
    some: Dataset, schema: Schema, judged_by: JudgedBy, seed: int
) -> None:
    judged_by(lambda options: -bowl(options))  # drawn to the edges
    given = QUICK.model_copy(update={"seed": seed, "recall_floor": 0.6})
    _, told = searched(some, schema, given, trials=60)
    for trial in told[1:]:
        for name, within in RANGES.items():
            value = getattr(trial.options, name)
            assert within.low <= value <= within.high or (within.or_zero and value == 0), name
        assert trial.options.model_dump(include=NOT_SEARCHED) == given.model_dump(include=NOT_SEARCHED)
    assert {trial.options.smote_ratio > 0 for trial in told[1:]} == {True, False}


@pytest.mark.parametrize("edge", ["low", "high"])
@pytest.mark.parametrize("name", RANGES)
def test_every_range_lies_within_what_the_options_allow(name: str, edge: str) -> None:
    assert FitOptions.model_validate({name: getattr(RANGES[name], edge)})
    assert RANGES[name].low <= FitOptions.model_fields[name].default <= RANGES[name].high


def test_numbers_found_are_short_enough_to_be_typed_again(some: Dataset, schema: Schema, judged_by: JudgedBy) -> None:
    judged_by(bowl)
    for trial in searched(some, schema)[1]:
        for name in RANGES:
            value = getattr(trial.options, name)
            assert isinstance(value, int) or value == float(f"{value:.3g}"), name


def test_trials_are_told_in_order_with_the_best_so_far(once: Searched) -> None:
    _, told = once
    assert [trial.number for trial in told] == list(range(12))
    objectives = [trial.figures[OBJECTIVE] for trial in told]
    assert [trial.best_so_far for trial in told] == list(np.minimum.accumulate(objectives))
    assert all(trial.seconds > 0 and trial.failure is None for trial in told)


def test_figures_are_those_of_calibrated_pds(some: Dataset, once: Searched) -> None:
    figures = once[1][0].figures
    assert set(figures) == {"log_loss", "roc_auc", "pr_auc", "brier", "calibration_error"}
    assert figures["roc_auc"] > 0.9
    base_rate = some.target.mean()
    assert figures["brier"] < base_rate * (1 - base_rate)  # which SMOTE alone would not reach
    assert figures["calibration_error"] < 0.02


def test_a_trial_that_fails_does_not_end_the_search(some: Dataset, schema: Schema, judged_by: JudgedBy) -> None:
    def refuse_given_and_smote(options: FitOptions) -> float:
        if options == QUICK or options.smote_ratio > 0:
            raise DataError("ranks worse than chance")
        return bowl(options)

    judged_by(refuse_given_and_smote)
    best, told = searched(some, schema, trials=12)
    assert best.smote_ratio == 0
    assert (dict(told[0].figures), told[0].best_so_far) == ({}, math.inf)
    failed = [trial for trial in told if trial.failure]
    assert {trial.failure for trial in failed} == {"ranks worse than chance"}
    assert 1 < len(failed) < len(told) == 12


def test_when_all_fail_the_reason_is_that_of_the_first(some: Dataset, schema: Schema, judged_by: JudgedBy) -> None:
    def refuse(options: FitOptions) -> float:
        raise DataError("the first" if options == QUICK else "another")

    judged_by(refuse)
    told: list[Trial] = []
    with pytest.raises(DataError, match="the first"):
        search(some, schema, QUICK, 3, told.append)
    assert len(told) == 3


def test_scores_that_rank_worse_than_chance_are_a_failed_trial(
    some: Dataset, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "raw_margins", lambda _booster, features: -np.asarray(features[:, 1], np.float64))
    with pytest.raises(DataError, match="do not tell who defaults"):
        searched(some, schema, trials=1)


def test_too_few_rows_are_refused_before_any_trial(some: Dataset, schema: Schema) -> None:
    told: list[Trial] = []
    with pytest.raises(DataError, match="bring more data"):
        search(some.rows(some.target == 0), schema, QUICK, 3, told.append)
    assert told == []


def test_an_interrupt_passes_through(some: Dataset, schema: Schema, judged_by: JudgedBy) -> None:
    def interrupted(_options: FitOptions) -> float:
        raise KeyboardInterrupt

    judged_by(interrupted)
    with pytest.raises(KeyboardInterrupt):
        searched(some, schema)


@pytest.mark.usefixtures("few_trees")
def test_boosters_see_training_rows_of_their_fold_and_calibrations_none_of_what_they_judge(
    some: Dataset, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted_to: list[bytes] = []
    calibrated_on: list[int] = []

    def spy_booster(applicants: Any, *rest: Any) -> Any:
        fitted_to.append(applicants.tobytes())
        return fit_booster(applicants, *rest)

    def spy_calibration(margins: Any, target: Any) -> Any:
        calibrated_on.append(len(margins))
        return fit_calibration(margins, target)

    monkeypatch.setattr(module, "fit_booster", spy_booster)
    monkeypatch.setattr(module, "fit_calibration", spy_calibration)
    searched(some, schema, trials=2)
    pairs = folds(some, QUICK.model_copy(update={"seed": QUICK.seed + 1_000_003}))
    assert fitted_to == 2 * [some.applicants[train].tobytes() for train, _ in pairs]
    assert calibrated_on == 2 * [len(train) for train, _ in pairs]


def test_the_folds_are_not_those_of_the_reported_figures(some: Dataset, schema: Schema, judged_by: JudgedBy) -> None:
    judged_by(bowl)
    used: list[FitOptions] = []

    def spy(data: Dataset, options: FitOptions) -> Any:
        used.append(options)
        return folds(data, options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "folds", spy)
        searched(some, schema)
    (options,) = used
    assert options.seed != QUICK.seed
    assert options.model_copy(update={"seed": QUICK.seed}) == QUICK


@pytest.mark.usefixtures("few_trees")
def test_the_data_are_not_modified(some: Dataset, schema: Schema) -> None:
    before = some.applicants.tobytes() + some.target.tobytes()
    searched(some, schema, trials=3)
    assert some.applicants.tobytes() + some.target.tobytes() == before


@pytest.mark.usefixtures("few_trees")
def test_columns_with_categories_and_gaps_can_be_searched(credit_dataset: Dataset, credit_schema: Schema) -> None:
    rows = credit_dataset.rows(np.arange(len(credit_dataset)) % 3 == 0)
    assert np.isnan(rows.applicants).any()
    best, told = searched(rows, credit_schema, QUICK.model_copy(update={"smote_ratio": 0.6}))
    assert [trial.failure for trial in told] == [None] * 6
    assert any(trial.options.smote_ratio > 0.5 for trial in told)
    lowest = min(told, key=lambda trial: trial.figures[OBJECTIVE])
    assert (best, lowest.best_so_far) == (lowest.options, lowest.figures[OBJECTIVE])
    assert lowest.figures["roc_auc"] > 0.75


def test_a_seed_at_the_end_of_its_range_is_no_trouble(some: Dataset, schema: Schema, judged_by: JudgedBy) -> None:
    judged_by(bowl)
    assert len(searched(some, schema, QUICK.model_copy(update={"seed": 2**32 - 1}))[1]) == 6


def test_optuna_says_nothing_and_its_logging_stays_as_it_was(
    some: Dataset, schema: Schema, judged_by: JudgedBy, capfd: pytest.CaptureFixture[str]
) -> None:
    judged_by(bowl)
    before = optuna.logging.get_verbosity()
    searched(some, schema)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


def test_importing_the_module_leaves_optuna_as_it_is() -> None:
    code = "import loan_default.training.search, optuna, json; print(json.dumps(optuna.logging.get_verbosity()))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (json.loads(done.stdout), done.stderr) == (optuna.logging.INFO, "")
