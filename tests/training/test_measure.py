"""Measuring a training: what is fitted, on which rows, and how the figures are named."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from loan_default.schema import Schema
from loan_default.training.data import Dataset
from loan_default.training.evaluate import Predictions, out_of_fold
from loan_default.training.fit import FitOptions, Fitted, fit_decision, folds
from loan_default.training.measure import Evaluation, Measured, evaluate, fits_to_measure, measure
from loan_default.training.split import HOLDOUT_SHARE, holdout_mask

OPTIONS = FitOptions(folds=2, trees=10, smote_ratio=0.2)
PLAIN = OPTIONS.model_copy(update={"smote_ratio": 0.0})


@pytest.fixture(scope="module", autouse=True)
def _quick_intervals() -> Iterator[None]:
    """Few resamples: the intervals are tested in test_evaluate.py."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("loan_default.training.evaluate._RESAMPLES", 30)
        yield


@dataclass(frozen=True)
class Measurement:
    """What was measured, of what, and how often progress was told."""

    training: Dataset
    holdout: Dataset
    fitted: Fitted
    measured: Measured
    fits: int


def measurement(dataset: Dataset, schema: Schema, options: FitOptions) -> Measurement:
    mask = holdout_mask(dataset, HOLDOUT_SHARE)
    training, holdout = dataset.rows(~mask), dataset.rows(mask)
    fitted = fit_decision(training, schema, options)
    fits: list[None] = []
    measured = measure(training, holdout, fitted, options, lambda: fits.append(None))
    return Measurement(training, holdout, fitted, measured, len(fits))


@pytest.fixture(scope="module")
def with_smote(dataset: Dataset, schema: Schema) -> Measurement:
    """Measured with SMOTE on."""
    return measurement(dataset, schema, OPTIONS)


@pytest.fixture(scope="module")
def without_smote(dataset: Dataset, schema: Schema) -> Measurement:
    """Measured with SMOTE off."""
    return measurement(dataset, schema, PLAIN)


@pytest.fixture(scope="module")
def evaluation(with_smote: Measurement, schema: Schema) -> Evaluation:
    """The figures with SMOTE on."""
    return evaluate(with_smote.measured, with_smote.training, schema, OPTIONS)


def test_progress_is_told_once_for_each_fit(with_smote: Measurement, without_smote: Measurement) -> None:
    assert with_smote.fits == fits_to_measure(OPTIONS) == 12
    assert without_smote.fits == fits_to_measure(PLAIN) == 6


@pytest.mark.parametrize(("folds", "smote_ratio", "fits"), [(5, 0.25, 60), (5, 0.0, 30), (3, 0.1, 24), (20, 1.0, 840)])
def test_the_fits_are_folds_of_decisions_twice_with_smote(folds: int, smote_ratio: float, fits: int) -> None:
    assert fits_to_measure(FitOptions(folds=folds, smote_ratio=smote_ratio)) == fits


def test_with_smote_off_there_is_nothing_to_compare_it_with(without_smote: Measurement) -> None:
    assert without_smote.measured.without_smote is None


def test_with_smote_on_the_same_folds_are_fitted_without_it(
    with_smote: Measurement, without_smote: Measurement
) -> None:
    found = with_smote.measured.without_smote
    assert found is not None
    assert np.array_equal(found.pd, without_smote.measured.out_of_fold.pd)
    assert not np.array_equal(found.pd, with_smote.measured.out_of_fold.pd)


def test_out_of_fold_is_of_the_training_rows(with_smote: Measurement, schema: Schema) -> None:
    found = with_smote.measured.out_of_fold
    expected = out_of_fold(with_smote.training, schema, OPTIONS, lambda: None)
    assert np.array_equal(found.pd, expected.pd)
    assert np.array_equal(found.target, with_smote.training.target)
    assert len(with_smote.measured.baseline.pd) == len(with_smote.training)


def test_the_hold_out_is_scored_by_the_fitted_model_itself(with_smote: Measurement) -> None:
    found = with_smote.measured.holdout
    pd = with_smote.fitted.pd(with_smote.holdout.applicants)
    assert np.array_equal(found.pd, pd)
    assert np.array_equal(found.declined, pd >= with_smote.fitted.decision.threshold)
    assert np.array_equal(found.target, with_smote.holdout.target)


def test_the_baseline_does_not_depend_on_smote(with_smote: Measurement, without_smote: Measurement) -> None:
    assert np.array_equal(with_smote.measured.baseline.pd, without_smote.measured.baseline.pd)


def test_figures_follow_from_what_was_predicted(with_smote: Measurement, evaluation: Evaluation) -> None:
    measured = with_smote.measured
    assert evaluation.out_of_fold == measured.out_of_fold.figures()
    assert evaluation.baseline == measured.baseline.figures()
    assert evaluation.holdout == measured.holdout.figures()
    assert evaluation.holdout_intervals == measured.holdout.intervals(OPTIONS.seed)
    assert [each.group for each in evaluation.slices] == ["0", "1"]


def test_each_figure_has_one_flat_name(evaluation: Evaluation) -> None:
    flat = evaluation.flat()
    prefixes = ("oof", "without_smote_oof", "logistic_oof", "holdout", "holdout_low", "holdout_high")
    assert set(flat) == {f"{prefix}_{name}" for prefix in prefixes for name in evaluation.out_of_fold}
    assert len(flat) == len(prefixes) * len(evaluation.out_of_fold)


def test_a_flat_name_leads_to_its_figure(evaluation: Evaluation) -> None:
    flat = evaluation.flat()
    assert evaluation.without_smote is not None
    assert flat["oof_roc_auc"] == evaluation.out_of_fold["roc_auc"]
    assert flat["without_smote_oof_brier"] == evaluation.without_smote["brier"]
    assert flat["logistic_oof_recall"] == evaluation.baseline["recall"]
    assert flat["holdout_f1"] == evaluation.holdout["f1"]
    low, high = flat["holdout_low_pr_auc"], flat["holdout_high_pr_auc"]
    assert (low, high) == evaluation.holdout_intervals["pr_auc"]


def test_with_smote_off_there_are_no_flat_names_without_it(evaluation: Evaluation) -> None:
    flat = replace(evaluation, without_smote=None).flat()
    assert not [name for name in flat if name.startswith("without_smote")]
    assert len(flat) == 5 * len(evaluation.out_of_fold)


def test_groups_are_measured_out_of_fold(credit_dataset: Dataset, credit_schema: Schema) -> None:
    pd = np.linspace(0.01, 0.99, len(credit_dataset))
    found = Predictions(pd, pd > 0.5, credit_dataset.target)
    evaluation = evaluate(Measured(found, None, found, found), credit_dataset, credit_schema, OPTIONS)
    assert evaluation.without_smote is None
    assert {each.column for each in evaluation.slices} == {column.name for column in credit_schema.audit}
    of_age = [each.rows for each in evaluation.slices if each.column == "age"]
    assert sum(of_age) == len(credit_dataset)


def test_the_figures_by_fold_are_those_of_the_folds_rows(with_smote: Measurement, evaluation: Evaluation) -> None:
    found = with_smote.measured.out_of_fold
    of_folds = [found.rows(test).figures()["roc_auc"] for _, test in folds(with_smote.training, OPTIONS)]
    assert evaluation.by_fold["roc_auc"] == (min(of_folds), max(of_folds))
    assert set(evaluation.by_fold) == set(evaluation.out_of_fold)
