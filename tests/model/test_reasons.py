"""Why fitted models answer as they do: contributions add up, compare with the base, and keep to directions of risk."""

import json
from itertools import pairwise

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st
from models import complete
from numpy.typing import NDArray

from loan_default.model import LoanModel
from loan_default.reasons import ROUNDING, Contributions, Reason, contributions, importance
from loan_default.schema.columns import CategoryColumn
from loan_default.training.data import Dataset
from loan_default.training.fit import FitOptions, fit_decision

HUGE = 1.7976931348623157e308
SALARIES = st.floats(1, 1e6) | st.floats(0, exclude_min=True, allow_infinity=False)
BALANCES = st.floats(0, 4e4) | st.floats(0, allow_infinity=False)
EMPLOYED = st.sampled_from([0.0, 1.0])
LOAN_COLUMNS = {"employed": 0, "bank_balance": 1, "annual_salary": 2}


@pytest.fixture(scope="module")
def deep_model(credit_dataset: Dataset, credit_model: LoanModel) -> LoanModel:
    """The example's loans with trees of up to eight leaves, so that columns work together."""
    options = FitOptions(folds=2, trees=40, depth=3, smote_ratio=0.6)
    return complete(fit_decision(credit_dataset, credit_model.schema, options))


def contributed(model: LoanModel, applicants: NDArray[np.float64]) -> Contributions:
    """What each column contributes for these applicants."""
    matrix = model.features.matrix(applicants)
    return contributions(model.booster, model.decision.calibration, model.schema, matrix)


def reasons_of(model: LoanModel, *applicants: tuple[float, ...]) -> list[list[Reason]]:
    """What these applicants are told."""
    values = model.features.values(np.array(applicants, dtype=np.float64))
    declined = (model.pd_of_features(values.astype(np.float32)) >= model.decision.threshold).tolist()
    return model.explain_values(values, declined)


def rounding(found: Contributions) -> NDArray[np.float64]:
    """By how much float32 sums may be off, for each row."""
    return np.asarray(ROUNDING * (abs(found.base) + np.abs(found.values).sum(axis=1)))


def assert_adds_up(model: LoanModel, applicants: NDArray[np.float64]) -> None:
    """base + contributions = logit(PD)."""
    found, pd = contributed(model, applicants), model.pd(applicants)
    assert found.values.shape == (len(applicants), len(model.schema.columns))
    off = np.abs(found.base + found.values.sum(axis=1) - np.log(pd / (1 - pd)))
    assert (off <= rounding(found)).all()


def with_gaps(applicants: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """The same with this share of the values missing, whether or not the declaration allows it."""
    return np.where(np.random.default_rng(0).random(applicants.shape) < share, np.nan, applicants)


# Adding up


def test_contributions_of_all_customers_add_up_to_their_pd(loan_model: LoanModel, dataset: Dataset) -> None:
    assert_adds_up(loan_model, dataset.applicants)


def test_contributions_of_all_loans_add_up_to_their_pd(credit_model: LoanModel, credit_dataset: Dataset) -> None:
    assert np.isnan(credit_dataset.applicants).any()
    assert_adds_up(credit_model, credit_dataset.applicants)


def test_contributions_of_deep_trees_add_up_too(deep_model: LoanModel, credit_dataset: Dataset) -> None:
    assert_adds_up(deep_model, credit_dataset.applicants)


@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
def test_contributions_with_missing_values_add_up(
    loan_model: LoanModel, deep_model: LoanModel, dataset: Dataset, credit_dataset: Dataset, share: float
) -> None:
    assert_adds_up(loan_model, with_gaps(dataset.applicants, share))
    assert_adds_up(deep_model, with_gaps(credit_dataset.applicants, share))


@settings(deadline=None)
@given(employed=EMPLOYED, balance=BALANCES, salary=SALARIES)
def test_contributions_of_any_applicant_add_up(
    loan_model: LoanModel, employed: float, balance: float, salary: float
) -> None:
    assert_adds_up(loan_model, np.array([[employed, balance, salary]]))


@pytest.mark.parametrize("amount", [0, 5e-324, 1e39, HUGE])
def test_contributions_of_extreme_loans_add_up(deep_model: LoanModel, credit_dataset: Dataset, amount: float) -> None:
    numeric = [not isinstance(column, CategoryColumn) for column in deep_model.schema.columns]
    applicants = credit_dataset.applicants[:200].copy()
    applicants[:, numeric] = max(amount, 5e-324)
    assert_adds_up(deep_model, applicants)


def test_a_row_does_not_depend_on_the_others(deep_model: LoanModel, credit_dataset: Dataset) -> None:
    rows = credit_dataset.applicants[:200]
    together = contributed(deep_model, rows)
    alone = [contributed(deep_model, row[None]) for row in rows]
    assert together.values.tobytes() == np.concatenate([one.values for one in alone]).tobytes()
    assert {one.base for one in alone} == {together.base}


def test_more_threads_change_nothing(credit_model: LoanModel, credit_dataset: Dataset) -> None:
    booster = credit_model.booster.copy()
    booster.set_param({"nthread": 4})
    matrix = credit_model.features.matrix(credit_dataset.applicants)
    found = contributions(booster, credit_model.decision.calibration, credit_model.schema, matrix)
    assert found.values.tobytes() == contributed(credit_model, credit_dataset.applicants).values.tobytes()


# What a contribution compares with


def test_a_contribution_is_each_trees_leaf_less_the_average_leaf_weighted_by_cover(
    loan_model: LoanModel, dataset: Dataset
) -> None:
    """The definition, worked out by hand from the trees: they have one split each, so no other feature takes part."""
    schema, slope = loan_model.schema, loan_model.decision.calibration.slope
    values = loan_model.features.values(dataset.applicants[:500])
    features = values.astype(np.float32)
    own = np.zeros(features.shape)
    for _, tree in loan_model.booster.trees_to_dataframe().groupby("Tree"):
        leaves = tree[tree.Feature == "Leaf"].set_index("ID")
        split = tree[tree.Feature != "Leaf"].iloc[0]
        i = schema.feature_names.index(split.Feature)
        reached = np.where(features[:, i] < np.float32(split.Split), leaves.Gain[split.Yes], leaves.Gain[split.No])
        own[:, i] += slope * (reached - np.average(leaves.Gain, weights=leaves.Cover))
    employed, balance, salary, rate = own.T
    expected = np.column_stack([employed, balance + rate / 2, salary + rate / 2])
    np.testing.assert_allclose(contributed(loan_model, dataset.applicants[:500]).values, expected, atol=1e-4)


def test_the_base_lies_between_the_mean_applicant_and_the_threshold(loan_model: LoanModel, dataset: Dataset) -> None:
    pd, threshold = loan_model.pd(dataset.applicants), loan_model.decision.threshold
    base = contributed(loan_model, dataset.applicants[:1]).base
    assert np.log(pd / (1 - pd)).mean() < base < np.log(threshold / (1 - threshold))


# Directions of risk


def column_of(
    model: LoanModel, name: str, *applicants: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A column's contribution to each of these applicants, and how far off it may be."""
    found = contributed(model, np.array(applicants))
    return found.values[:, LOAN_COLUMNS[name]], rounding(found)


@settings(deadline=None, max_examples=300)
@given(employed=EMPLOYED, balances=st.tuples(BALANCES, BALANCES), salary=SALARIES)
def test_more_debt_never_lowers_what_the_debt_contributes(
    loan_model: LoanModel, employed: float, balances: tuple[float, float], salary: float
) -> None:
    """With trees of one split it is a function of the balance plus half a function of balance / salary, both rising."""
    low, high = (employed, min(balances), salary), (employed, max(balances), salary)
    found, off = column_of(loan_model, "bank_balance", low, high)
    assert found[1] >= found[0] - off.max()


@settings(deadline=None, max_examples=300)
@given(employed=EMPLOYED, balance=BALANCES, salaries=st.tuples(SALARIES, SALARIES))
def test_more_income_never_raises_what_the_income_contributes(
    loan_model: LoanModel, employed: float, balance: float, salaries: tuple[float, float]
) -> None:
    """For the same reason: both functions fall with the salary."""
    low, high = (employed, balance, min(salaries)), (employed, balance, max(salaries))
    found, off = column_of(loan_model, "annual_salary", low, high)
    assert found[1] <= found[0] + off.max()


@pytest.mark.parametrize("name", ["seniority", "assets"])
def test_in_deep_trees_a_columns_own_contribution_keeps_its_direction(
    deep_model: LoanModel, credit_dataset: Dataset, name: str
) -> None:
    """No derived feature uses these columns, so nothing else moves with them.

    XGBoost keeps every leaf on one side of a constrained split at or below every leaf on the other. So whatever is
    averaged over other features, and with whichever weights, keeps the order, and so does its average over orders.
    """
    i = deep_model.schema.column_names.index(name)
    steps = np.quantile(
        credit_dataset.applicants[:, i][~np.isnan(credit_dataset.applicants[:, i])], np.linspace(0, 1, 9)
    )
    applicants = credit_dataset.applicants[:300].copy()
    found = []
    for step in steps:
        applicants[:, i] = step
        found.append(contributed(deep_model, applicants))
    for less, more in pairwise(found):
        assert (more.values[:, i] <= less.values[:, i] + rounding(less)).all()
    assert (found[-1].values[:, i] < found[0].values[:, i]).all()


# What applicants are told


@pytest.mark.parametrize("employed", [0.0, 1.0])
@pytest.mark.parametrize("salary", [1e4, 2e5, 9e5])
@pytest.mark.parametrize("balance", [4e4, 1e8, HUGE])
def test_the_first_reason_against_a_huge_debt_is_the_debt(
    loan_model: LoanModel, employed: float, balance: float, salary: float
) -> None:
    (told,) = reasons_of(loan_model, (employed, balance, salary))
    assert (told[0].feature, told[0].direction) == ("bank_balance", "raises the risk")


def test_a_declined_customer_reads_what_is_owed(loan_model: LoanModel) -> None:
    (told,) = reasons_of(loan_model, (0, 30_000, 300_000))
    assert told[0].sentence == (
        "What the applicant owes on the credit card. More owed means more risk. In this application: 30,000 (dollars, "
        "the average monthly balance × 12). This raises the estimated risk."
    )


def test_who_owes_nothing_reads_that_this_lowers_the_risk(loan_model: LoanModel) -> None:
    (told,) = reasons_of(loan_model, (1, 0, 500_000))
    assert (told[0].feature, told[0].direction, told[0].value) == ("bank_balance", "lowers the risk", 0)


def test_every_declined_applicant_gets_a_reason(
    loan_model: LoanModel, dataset: Dataset, credit_model: LoanModel, credit_dataset: Dataset
) -> None:
    for model, data in [(loan_model, dataset), (credit_model, credit_dataset)]:
        declined = data.applicants[model.pd(data.applicants) >= model.decision.threshold]
        told = reasons_of(model, *map(tuple, declined.tolist()))
        assert all(1 <= len(one) <= 4 for one in told)
        assert all(reason.direction == "raises the risk" for one in told for reason in one)


def test_a_missing_value_can_be_a_reason(credit_model: LoanModel, credit_dataset: Dataset) -> None:
    told = reasons_of(credit_model, *map(tuple, credit_dataset.applicants.tolist()))
    missing = [reason for one in told for reason in one if reason.value is None]
    assert missing
    assert all("In this application: not stated. This" in reason.sentence for reason in missing)


def test_what_missing_income_contributes_is_not_put_down_to_the_expenses(
    credit_model: LoanModel, credit_dataset: Dataset
) -> None:
    """Without an income, what is left over of it is unknown. Whatever that does, the expenses did not do it."""
    names = credit_model.schema.column_names
    income, expenses = names.index("income"), names.index("expenses")
    applicants = credit_dataset.applicants[np.isnan(credit_dataset.applicants[:, income])]
    matrix = credit_model.features.matrix(applicants)
    rows = xgb.DMatrix(
        matrix, feature_names=credit_model.schema.feature_names, feature_types=credit_model.schema.feature_types
    )
    raw = credit_model.booster.predict(rows, pred_contribs=True).astype(np.float64)
    own = credit_model.decision.calibration.slope * raw[:, expenses]
    assert contributed(credit_model, applicants).values[:, expenses].tolist() == own.tolist()


def test_a_category_that_training_never_saw_is_told_like_a_missing_one(
    credit_model: LoanModel, credit_dataset: Dataset
) -> None:
    """It was scored as missing; to show it would pretend that the model had weighed it."""
    schema = credit_model.schema
    home = schema.column_names.index("home")
    columns = list(schema.columns)
    columns[home] = columns[home].model_copy(update={"never_seen": ("ignore",)})
    unseen = LoanModel.assemble(
        schema.model_copy(update={"columns": tuple(columns)}),
        credit_model.booster,
        credit_model.decision,
        credit_model.about,
    )
    stated, missing = credit_dataset.applicants[0].copy(), credit_dataset.applicants[0].copy()
    column = columns[home]
    assert isinstance(column, CategoryColumn)
    stated[home], missing[home] = column.categories.index("ignore"), np.nan
    told = reasons_of(unseen, tuple(stated), tuple(missing))
    assert told[0] == told[1]


def test_no_reason_needs_knowledge_of_the_method(credit_model: LoanModel, credit_dataset: Dataset) -> None:
    told = reasons_of(credit_model, *map(tuple, credit_dataset.applicants[:500].tolist()))
    text = " ".join(reason.sentence for one in told for reason in one).lower()
    for word in ("shap", "log-odds", "margin", "feature", "nan", "none", "loan_to_price", "left_over"):
        assert word not in text


def test_reasons_are_the_same_every_time_and_json(credit_model: LoanModel, credit_dataset: Dataset) -> None:
    rows = [tuple(row) for row in credit_dataset.applicants[:200].tolist()]
    once, again = reasons_of(credit_model, *rows), reasons_of(credit_model, *rows)
    texts = [[json.dumps([r.model_dump() for r in one], allow_nan=False) for one in told] for told in (once, again)]
    assert texts[0] == texts[1]


def test_the_debt_matters_most_over_all_customers(loan_model: LoanModel, dataset: Dataset) -> None:
    found = importance(loan_model.schema, contributed(loan_model, dataset.applicants))
    assert list(found) == ["employed", "bank_balance", "annual_salary"]
    assert max(found, key=lambda name: found[name]) == "bank_balance"
    assert min(found.values()) > 0
