"""The pure parts of benchmarks/quality.py, on few rows, with a stand-in for the rivals in other environments."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.environments import RivalFailed
from benchmarks.quality import (
    SHOWN,
    ask,
    decide,
    elsewhere,
    here,
    hist_gradient_boosting,
    lines,
    nested_roles,
    old_system,
)
from benchmarks.rivals.exchange import TEST, TRAIN, Task, load_pds, save_pds
from loan_default.features import Features
from loan_default.schema import Schema
from loan_default.training import evaluate
from loan_default.training.data import Dataset
from loan_default.training.fit import FitOptions, folds

OPTIONS = FitOptions(folds=3)

# Answers with the second feature, the balance, squeezed into (0, 1), whatever the models are.
STAND_IN = """
import sys
from pathlib import Path
import numpy as np
from benchmarks.rivals.exchange import Task, save_pds
task = Task.load(Path(sys.argv[1]))
balance = task.features[:, 1] / 1e4
save_pds(Path(sys.argv[2]), np.tile(balance / (1 + balance), (len(task.roles), 1)))
"""


@pytest.fixture
def few(dataset: Dataset) -> Dataset:
    """300 rows, 30 of them defaults."""
    defaults, others = np.flatnonzero(dataset.target == 1), np.flatnonzero(dataset.target == 0)
    return dataset.rows(np.sort(np.concatenate([defaults[:30], others[:270]])))


@pytest.fixture
def task(few: Dataset, schema: Schema) -> Task:
    categorical = np.zeros(len(schema.feature_names), dtype=np.bool_)
    features = Features(schema).values(few.applicants)
    features[0, 0] = np.nan
    return Task(tuple(schema.feature_names), categorical, features, few.target, nested_roles(few, OPTIONS))


def test_a_task_and_its_answer_survive_their_files(task: Task, tmp_path: Path) -> None:
    task.save(tmp_path / "task.npz")
    read = Task.load(tmp_path / "task.npz")
    assert read.names == task.names
    for name in ("categorical", "features", "target", "roles"):
        np.testing.assert_array_equal(getattr(read, name), getattr(task, name), strict=True)
    pds = np.where(task.roles == TEST, 0.25, np.nan)
    save_pds(tmp_path / "pds.npz", pds)
    np.testing.assert_array_equal(load_pds(tmp_path / "pds.npz", task), pds)


@pytest.mark.parametrize("wrong", [np.nan, 1.5, -0.1])
def test_an_answer_without_proper_pds_is_refused(task: Task, tmp_path: Path, wrong: float) -> None:
    save_pds(tmp_path / "pds.npz", np.full(task.roles.shape, wrong))
    with pytest.raises(ValueError, match="not between 0 and 1"):
        load_pds(tmp_path / "pds.npz", task)


def test_an_answer_of_the_wrong_shape_is_refused(task: Task, tmp_path: Path) -> None:
    save_pds(tmp_path / "pds.npz", np.full((1, 300), 0.5))
    with pytest.raises(ValueError, match="were asked for"):
        load_pds(tmp_path / "pds.npz", task)


def test_rivals_are_tested_on_the_folds_of_our_own_model(few: Dataset) -> None:
    roles = nested_roles(few, OPTIONS)
    assert roles.shape == (OPTIONS.folds * (OPTIONS.folds + 1), len(few))
    for outer, (train, test) in zip(roles[OPTIONS.folds :: OPTIONS.folds + 1], folds(few, OPTIONS), strict=True):
        np.testing.assert_array_equal(np.flatnonzero(outer == TRAIN), train)
        np.testing.assert_array_equal(np.flatnonzero(outer == TEST), test)


def test_no_inner_model_sees_a_row_of_its_outer_test_fold(few: Dataset) -> None:
    per_fold = nested_roles(few, OPTIONS).reshape(OPTIONS.folds, OPTIONS.folds + 1, len(few))
    for models in per_fold:
        inner, outer = models[:-1], models[-1]
        assert not inner[:, outer == TEST].any()
        assert ((inner == TEST).sum(axis=0) == (outer == TRAIN)).all()


def test_logistic_regression_run_as_a_rival_has_the_figures_of_the_baseline(few: Dataset, schema: Schema) -> None:
    def logistic(
        data: Dataset, applicants: NDArray[np.float64], schema: Schema, _options: FitOptions
    ) -> NDArray[np.float64]:
        features = Features(schema).values
        fitted = evaluate._logistic(schema).fit(features(data.applicants), data.target)  # noqa: SLF001
        return np.asarray(fitted.predict_proba(features(applicants))[:, 1])

    as_rival = here(logistic)(few, schema, OPTIONS)
    baseline = evaluate.out_of_fold_baseline(few, schema, OPTIONS)
    np.testing.assert_allclose(as_rival.pd, baseline.pd)
    np.testing.assert_array_equal(as_rival.declined, baseline.declined)


@pytest.mark.parametrize("rival", [old_system, hist_gradient_boosting])
def test_rivals_give_a_pd_for_each_applicant(rival: object, credit_dataset: Dataset, credit_schema: Schema) -> None:
    """Categories and missing values included."""
    assert callable(rival)
    pds = rival(credit_dataset.rows(np.arange(300)), credit_dataset.applicants[300:310], credit_schema, OPTIONS)
    assert pds.shape == (10,)
    assert ((pds >= 0) & (pds <= 1)).all()


def test_a_rival_in_another_process_is_decided_upon_like_any_other(few: Dataset, schema: Schema) -> None:
    predicted = elsewhere([sys.executable, "-c", STAND_IN])(few, schema, OPTIONS)
    balance = Features(schema).values(few.applicants)[:, 1] / 1e4
    np.testing.assert_allclose(predicted.pd, balance / (1 + balance))
    assert predicted.figures()["recall"] == pytest.approx(OPTIONS.recall_floor, abs=0.15)


def test_the_threshold_of_a_fold_follows_from_its_inner_models_alone(few: Dataset) -> None:
    roles = nested_roles(few, OPTIONS)
    pds = np.where(np.arange(len(roles))[:, None] % (OPTIONS.folds + 1) == OPTIONS.folds, 0.4, 0.5)
    everybody_below = decide(np.broadcast_to(pds, roles.shape), roles, few.target, OPTIONS)
    assert not everybody_below.declined.any()


def test_a_rival_that_fails_says_why(task: Task) -> None:
    with pytest.raises(RivalFailed, match="no such solver"):
        ask([sys.executable, "-c", "raise SystemExit('no such solver')"], task)


def test_a_rival_that_writes_nothing_is_an_error(task: Task) -> None:
    with pytest.raises(RivalFailed, match="cannot be used"):
        ask([sys.executable, "-c", ""], task)


def test_the_table_has_a_line_for_each_procedure(few: Dataset, schema: Schema) -> None:
    def half(data: Dataset, _schema: Schema, _options: FitOptions) -> evaluate.Predictions:
        return evaluate.Predictions(np.full(len(data), 0.5), np.zeros(len(data), dtype=np.bool_), data.target)

    header, rule, line = lines({"a coin": half}, few, schema)
    assert header.startswith("| model | ROC-AUC | PR-AUC | Brier |")
    assert header.count("|") == rule.count("|") == line.count("|") == len(SHOWN) + 2
    assert line.startswith("| a coin | 0.5000 | 0.1000 | 0.2500 |")
