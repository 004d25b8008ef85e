"""Figures: small examples worked out by hand, scikit-learn's answers, intervals, and what the procedure reaches."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from examples.credit_data.fetch import fetch
from loan_default.schema import Schema, load_schema
from loan_default.training import evaluate
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.evaluate import Figures, Predictions, calibration_error, out_of_fold, out_of_fold_baseline
from loan_default.training.fit import FitOptions, Fitted, folds
from loan_default.training.split import holdout_mask

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "credit_data" / "credit_data.schema.yaml"


def predictions(pd: list[float], declined: list[int], target: list[int]) -> Predictions:
    return Predictions(np.array(pd), np.array(declined, dtype=np.bool_), np.array(target, dtype=np.int64))


def invented(rows: int = 400, seed: int = 0) -> Predictions:
    """Predictions that rank well, but not perfectly."""
    generator = np.random.default_rng(seed)
    pd = generator.random(rows) ** 3
    return Predictions(pd, pd >= 0.4, (generator.random(rows) < pd).astype(np.int64))


@pytest.fixture(scope="module")
def training_rows(dataset: Dataset) -> Dataset:
    return dataset.rows(~holdout_mask(dataset, 0.2))


@pytest.fixture(scope="module")
def reached(training_rows: Dataset, schema: Schema) -> Figures:
    """The figures of nested cross-validation on the training rows of the default split."""
    return out_of_fold(training_rows, schema, FitOptions(), lambda: None).figures()


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("roc_auc", 5 / 6),
        ("pr_auc", (1 + 1 + 3 / 4) / 3),
        ("brier", (0.1**2 + 0.2**2 + 0.6**2 + 0.7**2 + 0.1**2) / 5),
        ("log_loss", -math.log(0.9 * 0.8 * 0.4 * 0.3 * 0.9) / 5),
        ("calibration_error", (0.1 + 0.2 + 0.6 + 0.7 + 0.1) / 5),
        ("mean_pd_to_base_rate", 0.54 / 0.6),
        ("accuracy", 3 / 5),
        ("precision", 1.0),
        ("recall", 1 / 3),
        ("f1", 1 / 2),
    ],
)
def test_figures_worked_out_by_hand(name: str, by_hand: float) -> None:
    example = predictions([0.9, 0.8, 0.6, 0.3, 0.1], [1, 0, 0, 0, 0], [1, 1, 0, 1, 0])
    assert example.figures()[name] == pytest.approx(by_hand, rel=1e-12)


def test_a_perfect_model_has_perfect_figures() -> None:
    figures = predictions([0.0, 0.0, 1.0], [0, 0, 1], [0, 0, 1]).figures()
    assert [figures[name] for name in ("roc_auc", "pr_auc", "accuracy", "precision", "recall", "f1")] == [1] * 6
    assert [figures[name] for name in ("brier", "calibration_error")] == [0, 0]
    assert figures["log_loss"] == pytest.approx(0, abs=1e-12)


def test_declining_nobody_has_a_precision_and_recall_of_0() -> None:
    figures = predictions([0.2, 0.1, 0.3], [0, 0, 0], [0, 0, 1]).figures()
    assert [figures[name] for name in ("precision", "recall", "f1")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("accuracy", metrics.accuracy_score),
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1", metrics.f1_score),
    ],
)
def test_rates_agree_with_scikit_learn(name: str, theirs: Callable[..., float]) -> None:
    for seed in range(20):
        example = invented(seed=seed)
        assert example.figures()[name] == pytest.approx(theirs(example.target, example.declined), rel=1e-12)


def test_figures_follow_the_decisions_given_not_a_threshold_of_their_own() -> None:
    example = invented()
    all_declined = Predictions(example.pd, np.ones(len(example.pd), dtype=np.bool_), example.target).figures()
    assert all_declined["recall"] == 1
    assert all_declined["precision"] == pytest.approx(example.target.mean())
    assert all_declined["roc_auc"] == example.figures()["roc_auc"]


def test_the_calibration_error_worked_out_by_hand() -> None:
    pd = np.repeat(np.arange(0.05, 1, 0.1), 2)  # ten bins of two rows, half of which default
    errors = [0.45, 0.35, 0.25, 0.15, 0.05] * 2
    assert calibration_error(pd, np.tile([0, 1], 10)) == pytest.approx(sum(errors) / 10, rel=1e-12)


def test_bins_are_weighted_by_their_rows() -> None:
    pd = np.array([0.0] * 10 + [1.0])  # eleven rows in ten bins: the first has two
    target = np.array([1, 1] + [0] * 8 + [1])
    assert calibration_error(pd, target) == pytest.approx(2 / 11, rel=1e-12)


def test_the_calibration_error_of_a_perfect_model_is_0() -> None:
    target = np.random.default_rng(0).integers(0, 2, 500)
    assert calibration_error(target.astype(np.float64), target) == 0


def test_too_high_everywhere_by_a_tenth_is_an_error_of_a_tenth() -> None:
    target = np.tile([0, 0, 0, 1], 100)
    assert calibration_error(np.full(400, 0.35), target) == pytest.approx(0.1, rel=1e-9)


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty resamples: less exact, but quick."""
    monkeypatch.setattr(evaluate, "_RESAMPLES", 50)


@pytest.mark.usefixtures("few_resamples")
def test_intervals_contain_the_point_estimate() -> None:
    example = invented()
    intervals = example.intervals(seed=1)
    for name, value in example.figures().items():
        # Resampling adds noise to bins, so of this figure alone the interval may lie above the estimate.
        if name != "calibration_error":
            assert intervals[name][0] < value < intervals[name][1], name


@pytest.mark.usefixtures("few_resamples")
def test_intervals_are_reproducible_for_a_seed() -> None:
    example = invented(100)
    assert example.intervals(seed=1) == example.intervals(seed=1)
    assert example.intervals(seed=1) != example.intervals(seed=2)


@pytest.mark.usefixtures("few_resamples")
def test_intervals_keep_the_rows_of_both_classes() -> None:
    one_default = predictions([0.5] * 40, [0] * 40, [1] + [0] * 39)
    # The mean PD never changes, so only a changing base rate could move this figure.
    assert one_default.intervals(seed=1)["mean_pd_to_base_rate"] == pytest.approx((20, 20))


@pytest.mark.usefixtures("few_resamples")
def test_more_rows_make_narrower_intervals() -> None:
    low, high = invented(200).intervals(seed=1)["roc_auc"]
    narrower_low, narrower_high = invented(3000).intervals(seed=1)["roc_auc"]
    assert narrower_high - narrower_low < (high - low) / 2


def test_out_of_fold_fits_never_see_the_rows_they_are_judged_on(
    training_rows: Dataset, schema: Schema, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[NDArray[np.float64]] = []

    def spy(data: Dataset, *_: object) -> Fitted:
        seen.append(data.applicants)
        return fitted

    monkeypatch.setattr(evaluate, "fit_decision", spy)
    out_of_fold(training_rows, schema, FitOptions(), lambda: None)
    for rows, (_, test) in zip(seen, folds(training_rows, FitOptions()), strict=True):
        assert len(rows) == len(training_rows) - len(test)
        assert not {row.tobytes() for row in rows} & {row.tobytes() for row in training_rows.applicants[test]}


def test_out_of_fold_tells_progress_after_each_fit(dataset: Dataset, schema: Schema) -> None:
    told: list[None] = []
    options = FitOptions(folds=2, trees=2)
    out_of_fold(dataset.rows(np.arange(len(dataset)) < 2000), schema, options, lambda: told.append(None))
    assert len(told) == options.folds * options.fits_per_decision()


@pytest.mark.parametrize(("name", "floor"), [("roc_auc", 0.94), ("recall", 0.75), ("accuracy", 0.90)])
def test_the_procedure_reaches(reached: Figures, name: str, floor: float) -> None:
    assert reached[name] >= floor


def test_the_procedure_is_calibrated(reached: Figures) -> None:
    assert reached["calibration_error"] <= 0.01
    assert reached["mean_pd_to_base_rate"] == pytest.approx(1, rel=0.05)


def test_the_baseline_is_judged_on_the_same_rows_and_is_worth_beating(training_rows: Dataset, schema: Schema) -> None:
    baseline = out_of_fold_baseline(training_rows, schema, FitOptions(folds=3))
    assert baseline.target.tobytes() == training_rows.target.tobytes()
    assert baseline.figures()["roc_auc"] >= 0.94
    assert baseline.figures()["recall"] >= 0.7


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A third of credit_data: categories, and gaps in half of the columns."""
    path = tmp_path_factory.mktemp("credit_data") / "credit_data.csv"
    fetch(path)
    data = read_dataset(path, load_schema(EXAMPLE))
    return data.rows(np.arange(len(data)) % 3 == 0)


def check_figures(found: Predictions, data: Dataset) -> None:
    """All of them are figures, rates lie between 0 and 1, and the ranking beats chance."""
    figures = found.figures()
    assert found.target.tobytes() == data.target.tobytes()
    assert ((found.pd >= 0) & (found.pd <= 1)).all()
    assert all(0 <= value <= 1 for name, value in figures.items() if name not in ("log_loss", "mean_pd_to_base_rate"))
    assert figures["roc_auc"] > 0.7
    assert figures["mean_pd_to_base_rate"] == pytest.approx(1, rel=0.1)


def without(data: Dataset, columns: list[int], rows: slice = slice(None)) -> Dataset:
    """The data with nothing in these columns and rows."""
    applicants = data.applicants.copy()
    applicants[rows, columns] = np.nan
    return Dataset(applicants, data.target, data.sha256)


def test_the_baseline_copes_with_categories_and_gaps(loans: Dataset) -> None:
    check_figures(out_of_fold_baseline(loans, load_schema(EXAMPLE), FitOptions(folds=3)), loans)


@pytest.mark.parametrize("columns", [[6], [1], [4, 7], [1, 4, 6, 7, 8]], ids=str)
def test_the_baseline_copes_with_columns_without_any_value(loans: Dataset, columns: list[int]) -> None:
    emptied = without(loans, columns)
    check_figures(out_of_fold_baseline(emptied, load_schema(EXAMPLE), FitOptions(folds=2)), emptied)


@pytest.mark.parametrize("column", [1, 6], ids=["category", "amount"])
def test_the_baseline_copes_with_a_gap_that_is_in_a_single_row(loans: Dataset, column: int) -> None:
    applicants = np.nan_to_num(loans.applicants, nan=1.0)
    data = without(Dataset(applicants, loans.target, ""), [column], slice(0, 1))
    check_figures(out_of_fold_baseline(data, load_schema(EXAMPLE), FitOptions(folds=2)), data)


def test_the_baseline_copes_with_a_category_that_is_in_a_single_row(loans: Dataset) -> None:
    applicants = loans.applicants.copy()
    applicants[:, 1] = np.where(np.arange(len(loans)) == 5, 5, 0)
    data = Dataset(applicants, loans.target, "")
    check_figures(out_of_fold_baseline(data, load_schema(EXAMPLE), FitOptions(folds=2)), data)


@pytest.mark.parametrize("kind", ["category", "integer"])
def test_the_baseline_copes_with_columns_of_one_kind_alone(loans: Dataset, kind: str) -> None:
    schema = load_schema(EXAMPLE)
    kept = [i for i, column in enumerate(schema.columns) if column.type == kind]
    alone = schema.model_copy(update={"columns": tuple(schema.columns[i] for i in kept), "derived": ()})
    data = Dataset(np.ascontiguousarray(loans.applicants[:, kept]), loans.target, "")
    assert out_of_fold_baseline(data, alone, FitOptions(folds=2)).figures()["roc_auc"] > 0.65


def test_the_procedure_copes_with_categories_and_gaps(loans: Dataset) -> None:
    options = FitOptions(folds=3, trees=30, smote_ratio=0.6)
    check_figures(out_of_fold(loans, load_schema(EXAMPLE), options, lambda: None), loans)
