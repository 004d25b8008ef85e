"""Fitting: reproducible to the last byte, SMOTE inside training folds only, calibration that undoes it, any columns."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from numpy.typing import NDArray
from pydantic import ValidationError

from examples.credit_data.fetch import fetch
from loan_default.decision import Decision, RecallFloor
from loan_default.errors import DataError
from loan_default.features import Features
from loan_default.margins import raw_margins
from loan_default.model import About, LoanModel
from loan_default.schema import Schema, load_schema
from loan_default.schema.columns import CategoryColumn
from loan_default.training import fit
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.fit import FitOptions, Fitted, as_learnt, fit_calibration, fit_decision, folds
from loan_default.training.oversampling import oversample

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "credit_data" / "credit_data.schema.yaml"
QUICK = FitOptions(folds=3, trees=30)


@pytest.fixture(scope="module")
def some(dataset: Dataset) -> Dataset:
    """A third of the data, for quick fits."""
    return dataset.rows(np.arange(len(dataset)) % 3 == 0)


def identity(fitted: Fitted) -> tuple[bytes, Decision]:
    return bytes(fitted.booster.save_raw("ubj")), fitted.decision


@pytest.fixture
def seen_by_smote(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float64]]:
    """What each call of SMOTE got to see, in order."""
    seen: list[NDArray[np.float64]] = []
    resample = SMOTE.fit_resample

    def spy(self: SMOTE, applicants: NDArray[np.float64], *rest: Any, **named: Any) -> Any:
        seen.append(np.array(applicants))
        return resample(self, applicants, *rest, **named)

    monkeypatch.setattr(SMOTE, "fit_resample", spy)
    return seen


def defaults_among(data: Dataset, count: int) -> Dataset:
    """The data with only the first `count` of their defaults."""
    return data.rows((data.target == 0) | (np.cumsum(data.target) <= count))


def test_the_same_seed_gives_the_same_bytes_and_decision(some: Dataset, schema: Schema) -> None:
    assert identity(fit_decision(some, schema, QUICK)) == identity(fit_decision(some, schema, QUICK))


def test_another_seed_gives_another_booster_and_decision(some: Dataset, schema: Schema) -> None:
    booster, decision = identity(fit_decision(some, schema, QUICK))
    other_booster, other_decision = identity(fit_decision(some, schema, QUICK.model_copy(update={"seed": 43})))
    assert other_booster != booster
    assert other_decision != decision


def test_fitting_does_not_modify_the_data(some: Dataset, schema: Schema) -> None:
    before = some.applicants.tobytes() + some.target.tobytes()
    fit_decision(some, schema, QUICK)
    assert some.applicants.tobytes() + some.target.tobytes() == before


def test_progress_is_told_after_each_fit(some: Dataset, schema: Schema) -> None:
    told: list[None] = []
    fit_decision(some, schema, QUICK, lambda: told.append(None))
    assert len(told) == QUICK.fits_per_decision() == 4


def test_folds_test_every_row_once_and_keep_the_classes(some: Dataset) -> None:
    pairs = folds(some, FitOptions())
    assert np.sort(np.concatenate([test for _, test in pairs])).tolist() == list(range(len(some)))
    for train, test in pairs:
        assert not set(train.tolist()) & set(test.tolist())
        assert some.target[test].mean() == pytest.approx(some.target.mean(), rel=0.1)


def test_smote_sees_the_training_rows_of_each_fold_and_nothing_else(
    some: Dataset, schema: Schema, seen_by_smote: list[NDArray[np.float64]]
) -> None:
    fit_decision(some, schema, QUICK)
    expected = [some.applicants[train] for train, _ in folds(some, QUICK)] + [some.applicants]
    assert [rows.tobytes() for rows in seen_by_smote] == [rows.tobytes() for rows in expected]


def test_no_test_row_of_a_fold_reaches_smote(
    some: Dataset, schema: Schema, seen_by_smote: list[NDArray[np.float64]]
) -> None:
    fit_decision(some, schema, QUICK)
    for seen, (_, test) in zip(seen_by_smote, folds(some, QUICK), strict=False):
        assert not {row.tobytes() for row in seen} & {row.tobytes() for row in some.applicants[test]}


def test_a_smote_ratio_of_0_switches_smote_off(
    some: Dataset, schema: Schema, seen_by_smote: list[NDArray[np.float64]]
) -> None:
    fitted = fit_decision(some, schema, QUICK.model_copy(update={"smote_ratio": 0}))
    assert seen_by_smote == []
    assert fitted.pd(some.applicants).mean() == pytest.approx(some.target.mean(), rel=0.05)


def test_data_that_have_the_ratio_already_are_left_alone(
    some: Dataset, schema: Schema, seen_by_smote: list[NDArray[np.float64]]
) -> None:
    fit_decision(some, schema, QUICK.model_copy(update={"smote_ratio": 0.03}))
    assert seen_by_smote == []


@pytest.mark.parametrize(("count", "n_folds", "needed"), [(1, 5, 9), (8, 5, 9), (19, 20, 20), (12, 2, 13)])
def test_too_few_defaults_are_refused(dataset: Dataset, schema: Schema, count: int, n_folds: int, needed: int) -> None:
    with pytest.raises(DataError) as caught:
        fit_decision(defaults_among(dataset, count), schema, FitOptions(folds=n_folds))
    assert caught.value.message == (
        f"Only {count} rows of the rarer class are left to train on, and {n_folds} folds need {needed}: "
        "bring more data, or fewer folds."
    )


@pytest.mark.parametrize(("count", "n_folds"), [(9, 5), (20, 20), (13, 2)])
def test_just_enough_defaults_can_be_fitted(dataset: Dataset, schema: Schema, count: int, n_folds: int) -> None:
    few = defaults_among(dataset, count)
    assert 0 < fit_decision(few, schema, FitOptions(folds=n_folds, trees=5)).decision.threshold < 1


def test_too_few_rows_without_a_default_are_refused_too(dataset: Dataset, schema: Schema) -> None:
    few = dataset.rows((dataset.target == 1) | (np.cumsum(dataset.target == 0) <= 8))
    with pytest.raises(DataError, match="Only 8 rows of the rarer class"):
        fit_decision(few, schema, FitOptions())


@pytest.fixture(scope="module")
def unseen(dataset: Dataset, schema: Schema) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For all rows of the data, out of fold: the raw sigmoid of the margin, and the calibrated PD."""
    raw, calibrated = np.empty(len(dataset)), np.empty(len(dataset))
    for train, test in folds(dataset, FitOptions(folds=3)):
        part = Dataset(dataset.applicants[train], dataset.target[train], "")
        fitted = fit_decision(part, schema, FitOptions(folds=3))
        margins = raw_margins(fitted.booster, Features(schema).matrix(dataset.applicants[test]))
        raw[test] = 1 / (1 + np.exp(-margins))
        calibrated[test] = fitted.decision.calibration.pd(margins)
    return raw, calibrated


def test_raw_probabilities_are_too_high_after_smote(
    unseen: tuple[NDArray[np.float64], NDArray[np.float64]], dataset: Dataset
) -> None:
    assert unseen[0].mean() > 1.5 * dataset.target.mean()


def test_calibration_brings_the_mean_pd_back_to_the_base_rate(
    unseen: tuple[NDArray[np.float64], NDArray[np.float64]], dataset: Dataset
) -> None:
    assert unseen[1].mean() == pytest.approx(dataset.target.mean(), rel=0.05)


def test_calibration_finds_the_line_that_made_the_data() -> None:
    generator = np.random.default_rng(0)
    margins = generator.normal(size=200_000)
    target = (generator.random(200_000) < 1 / (1 + np.exp(-(2 * margins - 3)))).astype(np.int64)
    calibration = fit_calibration(margins, target)
    assert (calibration.slope, calibration.intercept) == pytest.approx((2, -3), abs=0.05)


def test_calibration_makes_the_mean_pd_the_base_rate_of_its_rows() -> None:
    margins, target = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]), np.array([0, 0, 1, 0, 1, 0])
    assert fit_calibration(margins, target).pd(margins).mean() == pytest.approx(2 / 6, abs=1e-4)


def test_monotone_constraints_reach_the_booster(fitted: Fitted) -> None:
    config = json.loads(fitted.booster.save_config())
    constraints = config["learner"]["gradient_booster"]["tree_train_param"]["monotone_constraints"]
    assert constraints == "(0,1,-1,1)"


def test_the_booster_knows_its_features_by_name(fitted: Fitted) -> None:
    assert fitted.booster.feature_names == fitted.schema.feature_names


def test_the_decision_keeps_the_policy_that_chose_it(some: Dataset, schema: Schema) -> None:
    fitted = fit_decision(some, schema, QUICK.model_copy(update={"recall_floor": 0.6}))
    assert fitted.decision.policy == RecallFloor(recall_floor=0.6)


def test_a_higher_recall_floor_never_raises_the_threshold(some: Dataset, schema: Schema) -> None:
    floors = (0.5, 0.77, 0.9)
    found = [fit_decision(some, schema, QUICK.model_copy(update={"recall_floor": floor})) for floor in floors]
    thresholds = [fitted.decision.threshold for fitted in found]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[0] > thresholds[-1]


@pytest.mark.parametrize(
    "wrong", [{"folds": 1}, {"smote_ratio": 1.1}, {"recall_floor": 1}, {"recall_floor": 0}, {"treees": 10}]
)
def test_options_out_of_range_or_unknown_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        FitOptions.model_validate(wrong)


def small_dataset(seed: int, defaults: int, rows: int, signal: float = 0.0) -> Dataset:
    """Invented applicants; with `signal`, those who default owe that much more."""
    generator = np.random.default_rng(seed)
    target = np.zeros(rows, dtype=np.int64)
    target[:defaults] = 1
    owed = generator.uniform(0, 1000, rows) + signal * target
    columns = [generator.integers(0, 2, rows), owed, generator.uniform(1, 1000, rows)]
    return Dataset(np.column_stack(columns).astype(np.float64), target, "")


def test_a_class_just_below_the_smote_ratio_is_left_alone(schema: Schema) -> None:
    data = small_dataset(0, 48, 246, signal=500)  # 24 defaults and 99 others in each fold: a quarter, less a row
    fitted = fit_decision(data, schema, FitOptions(smote_ratio=0.25, folds=2, trees=20))
    assert fitted.decision.calibration.slope > 0


def test_data_without_signal_are_a_clear_error(schema: Schema) -> None:
    refusals = []
    for seed in range(12):
        with contextlib.suppress(DataError):
            fit_decision(small_dataset(seed, 20, 300), schema, FitOptions(trees=20))
            continue
        refusals.append(seed)
    assert refusals, "chance alone should rank some of these the wrong way round"
    with pytest.raises(DataError, match="do not tell who defaults"):
        fit_decision(small_dataset(refusals[0], 20, 300), schema, FitOptions(trees=20))


def test_data_that_give_the_target_away_are_a_clear_error(schema: Schema) -> None:
    with pytest.raises(DataError, match="known only after the loan was granted"):
        fit_decision(small_dataset(0, 60, 300, signal=1e6), schema, FitOptions(trees=500, depth=6, learning_rate=1.0))


class Loans(NamedTuple):
    """Data, their declaration, and a model fitted to them."""

    data: Dataset
    schema: Schema
    fitted: Fitted


OVERSAMPLED = QUICK.model_copy(update={"smote_ratio": 0.6, "depth": 2})  # more defaults than credit_data have
HOME, OWNER, RENT, PRIV, IGNORE = 1, 0, 1, 3, 5


@pytest.fixture(scope="module")
def credit_rows(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Loans with categories and gaps."""
    path = tmp_path_factory.mktemp("credit_data") / "credit_data.csv"
    fetch(path)
    return read_dataset(path, load_schema(EXAMPLE))


@pytest.fixture(scope="module")
def loans(credit_rows: Dataset) -> Loans:
    """A model that has seen nobody living privately, as the declaration's example does, or in a home to be ignored."""
    content = load_schema(EXAMPLE).model_dump(mode="json")
    content["columns"][HOME]["example"] = "priv"
    schema = Schema.model_validate(content)
    data = credit_rows.rows(~np.isin(credit_rows.applicants[:, HOME], [PRIV, IGNORE]))
    data.applicants[(data.target == 1) & (np.arange(len(data)) % 3 == 0), HOME] = (
        np.nan
    )  # so that a gap means something
    return Loans(data, schema, fit_decision(data, schema, OVERSAMPLED))


def about_nothing() -> About:
    return About(
        run_id="0" * 32,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        model_type="test",
        package_version="0",
        data_sha256="0" * 64,
        seed=42,
        metrics={},
    )


def saved_and_loaded(fitted: Fitted, folder: Path) -> LoanModel:
    LoanModel.assemble(fitted.schema, fitted.booster, fitted.decision, about_nothing()).save(folder)
    return LoanModel.load(folder)


def at_home(applicants: NDArray[np.float64], home: float) -> NDArray[np.float64]:
    moved = applicants.copy()
    moved[:, HOME] = home
    return moved


@pytest.fixture
def oversampled(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float64]]:
    """The rows of each call of `oversample`, in order."""
    seen: list[NDArray[np.float64]] = []

    def spy(applicants: NDArray[np.float64], target: NDArray[np.int64], **named: Any) -> Any:
        seen.append(np.array(applicants))
        return oversample(applicants, target, **named)

    monkeypatch.setattr(fit, "oversample", spy)
    return seen


def test_oversampling_with_gaps_sees_the_training_rows_of_each_fold_and_nothing_else(
    loans: Loans, oversampled: list[NDArray[np.float64]]
) -> None:
    fit_decision(loans.data, loans.schema, OVERSAMPLED)
    rows = loans.data.applicants
    expected = [rows[train] for train, _ in folds(loans.data, OVERSAMPLED)] + [rows]
    assert [seen.tobytes() for seen in oversampled] == [train.tobytes() for train in expected]


def test_no_value_of_a_test_row_reaches_the_oversampling_of_its_fold(
    loans: Loans, oversampled: list[NDArray[np.float64]]
) -> None:
    _, test = folds(loans.data, OVERSAMPLED)[0]
    changed = loans.data.applicants.copy()
    changed[test, 0] = 1e6
    fit_decision(Dataset(changed, loans.data.target, ""), loans.schema, OVERSAMPLED)
    assert [bool((seen[:, 0] == 1e6).any()) for seen in oversampled] == [False, True, True, True]


def test_categories_with_the_same_seed_give_the_same_bytes_and_decision(loans: Loans) -> None:
    assert identity(fit_decision(loans.data, loans.schema, OVERSAMPLED)) == identity(loans.fitted)


def test_the_booster_knows_which_features_are_categories(loans: Loans) -> None:
    assert loans.fitted.booster.feature_types == loans.schema.feature_types
    assert loans.fitted.booster.feature_types == [*"qcqccqqqqqq", "q", "q"]


def test_categories_and_gaps_tell_who_defaults(loans: Loans) -> None:
    pd = loans.fitted.pd(loans.data.applicants)
    assert np.isfinite(pd).all()
    assert pd[loans.data.target == 1].mean() > pd[loans.data.target == 0].mean() + 0.1
    assert pd.mean() == pytest.approx(loans.data.target.mean(), rel=0.1)


def test_a_category_matters_to_the_answer(loans: Loans) -> None:
    rows = loans.data.applicants[:200]
    assert not np.array_equal(loans.fitted.pd(at_home(rows, OWNER)), loans.fitted.pd(at_home(rows, RENT)))


def test_categories_that_no_training_row_has_are_marked(loans: Loans) -> None:
    home = loans.fitted.schema.columns[HOME]
    assert isinstance(home, CategoryColumn)
    assert home.never_seen == ("priv", "ignore")
    assert home.known == ["owner", "rent", "parents", "other"]


@pytest.mark.parametrize("category", [PRIV, IGNORE])
def test_a_category_never_seen_is_answered_as_a_missing_value(loans: Loans, category: int) -> None:
    rows = loans.data.applicants
    never_seen, missing = (loans.fitted.pd(at_home(rows, home)) for home in (category, np.nan))
    assert never_seen.tobytes() == missing.tobytes()
    unmarked = Fitted(loans.schema, loans.fitted.booster, loans.fitted.decision)
    assert unmarked.pd(at_home(rows, category)).tobytes() != missing.tobytes()  # which XGBoost would not do by itself


def test_the_example_of_a_stored_declaration_is_a_category_the_model_has_seen(loans: Loans) -> None:
    assert loans.schema.example["home"] == "priv"
    assert loans.fitted.schema.example["home"] == "owner"


def test_an_example_that_was_seen_is_kept(loans: Loans) -> None:
    assert loans.fitted.schema.example["job"] == loans.schema.example["job"] == "freelance"


def test_all_but_what_was_never_seen_stays_as_declared(credit_rows: Dataset, loans: Loans) -> None:
    assert as_learnt(loans.schema, credit_rows.applicants) == loans.schema
    learnt = loans.fitted.schema
    assert learnt.feature_types == loans.schema.feature_types
    assert [c for c in learnt.columns if c.name != "home"] == [c for c in loans.schema.columns if c.name != "home"]


def test_each_fold_marks_what_its_own_training_rows_never_saw(loans: Loans, monkeypatch: pytest.MonkeyPatch) -> None:
    marked: list[int] = []

    def spy(schema: Schema, applicants: NDArray[np.float64]) -> Schema:
        marked.append(len(applicants))
        return as_learnt(schema, applicants)

    monkeypatch.setattr(fit, "as_learnt", spy)
    fit_decision(loans.data, loans.schema, OVERSAMPLED)
    assert marked == [len(train) for train, _ in folds(loans.data, OVERSAMPLED)] + [len(loans.data)]


def test_a_category_of_a_single_row_can_be_fitted(loans: Loans) -> None:
    rows = loans.data.applicants.copy()
    rows[0, HOME] = PRIV
    fitted = fit_decision(Dataset(rows, loans.data.target, ""), loans.schema, OVERSAMPLED)
    home = fitted.schema.columns[HOME]
    assert isinstance(home, CategoryColumn)
    assert home.never_seen == ("ignore",)


def test_a_stored_model_with_categories_answers_as_before_to_the_last_bit(loans: Loans, tmp_path: Path) -> None:
    loaded = saved_and_loaded(loans.fitted, tmp_path / "model")
    for home in (OWNER, RENT, PRIV, np.nan):
        rows = at_home(loans.data.applicants, home)
        assert loaded.pd(rows).tobytes() == loans.fitted.pd(rows).tobytes()
    assert (loaded.schema, loaded.decision) == (loans.fitted.schema, loans.fitted.decision)


def test_a_row_with_gaps_alone_is_answered_as_among_others(loans: Loans) -> None:
    gaps = loans.data.applicants[np.isnan(loans.data.applicants).any(axis=1)][:20]
    assert [loans.fitted.pd(row[None, :])[0] for row in gaps] == loans.fitted.pd(gaps).tolist()


@pytest.mark.parametrize("i", [6, 7, 8], ids=["income", "assets", "debt"])
def test_an_amount_that_is_always_missing_can_be_fitted_and_stored(loans: Loans, i: int, tmp_path: Path) -> None:
    rows = loans.data.applicants.copy()
    rows[:, i] = np.nan
    fitted = fit_decision(Dataset(rows, loans.data.target, ""), loans.schema, OVERSAMPLED)
    assert saved_and_loaded(fitted, tmp_path / "model").pd(rows).tobytes() == fitted.pd(rows).tobytes()


def test_a_missing_value_that_training_never_had_would_follow_an_arbitrary_branch(fitted: Fitted) -> None:
    """Why `checks.py` refuses such a column: nobody chose that a gap here means the highest debt there is."""
    gap, none, most = ([1.0, balance, 400_000.0] for balance in (np.nan, 0.0, 1e9))
    of_gap, of_none, of_most = fitted.pd(np.array([gap, none, most]))
    assert of_gap == of_most > 100 * of_none
