"""Reasons: which columns are named, in which words, and how derived features are shared out among columns."""

import math
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loan_default.decision import Calibration
from loan_default.features import Features
from loan_default.reasons import (
    LEAST_CONTRIBUTION,
    MOST_REASONS,
    Contributions,
    Reason,
    contributions,
    explain,
    importance,
    reasons,
)
from loan_default.schema import Schema

NUMBER = {"type": "number", "unit": "$", "example": 5}
INTEGER = {"type": "integer", "unit": "years", "example": 5}
BOOLEAN = {"type": "boolean", "example": True}
HOMES = {"type": "category", "categories": ["own", "rent", "other"], "example": "own"}
POSITIVE = NUMBER | {"exclusive_minimum": 0}
CALIBRATION = Calibration(slope=0.5, intercept=-1)


def declaring(*columns: dict[str, Any], **operations: dict[str, Any]) -> Schema:
    """A declaration of these columns, by their order called a, b, c, …, and of derived features by name."""
    words = {"description": "X.", "risk_reason": "None."}
    named = [words | {"name": name, "header": name} | column for name, column in zip("abcdefg", columns, strict=False)]
    derived = [words | {"name": name} | operation for name, operation in operations.items()]
    target = {"header": "Bad", "positive": 1, "description": "X."}
    return Schema.model_validate({"name": "own", "columns": named, "derived": derived, "target": target})


SIX = declaring(*[NUMBER] * 6)


def named(contributed: list[float], *, declined: bool, schema: Schema = SIX) -> str:
    """The columns that are given as reasons, in order."""
    features = [1.0] * len(contributed)
    return "".join(reason.feature for reason in reasons(schema, contributed, features, declined))


def the_reason(column: dict[str, Any], value: float, contribution: float = 1) -> Reason:
    """The only reason when there is one column with this value."""
    (reason,) = reasons(declaring(column), [contribution], [value], declined=False)
    return reason


def said(column: dict[str, Any], value: float) -> str:
    """What stands for the value in the sentence."""
    sentence = the_reason(column, value).sentence
    assert sentence.startswith("X. In this application: ")
    assert sentence.endswith(". This raises the estimated risk.")
    return sentence.removeprefix("X. In this application: ").removesuffix(". This raises the estimated risk.")


# Which columns


def test_the_declined_are_told_what_raises_the_risk_most() -> None:
    assert named([1, -9, 3, 2, 0, 4], declined=True) == "fcda"


def test_the_accepted_are_told_what_matters_most_either_way() -> None:
    assert named([1, -9, 3, 2, 0, -4], declined=False) == "bfcd"


@pytest.mark.parametrize("declined", [True, False])
def test_ties_stay_in_the_declared_order(declined: bool) -> None:
    assert named([1, 2, 1, 2, 1, 2], declined=declined) == "bdfa"


def test_ties_are_ties_whatever_their_sign() -> None:
    assert named([-1, 1, -1, 1, 2, -1], declined=False) == "eabc"


@pytest.mark.parametrize("declined", [True, False])
def test_what_is_practically_zero_is_left_out(declined: bool) -> None:
    least = LEAST_CONTRIBUTION
    assert named([math.nextafter(least, 0), least, 0, 1, -0.0, 1e-9], declined=declined) == "db"


def test_a_declined_applicant_is_told_what_raises_the_risk_most_however_little() -> None:
    assert named([-3, 0.001, -1, 0.002, 0, -2], declined=True) == "d"


def test_when_nothing_raises_the_risk_no_column_is_to_blame() -> None:
    assert named([-3, 0, -1, -0.0, -0.001, -2], declined=True) == ""


def test_an_accepted_applicant_like_the_base_has_no_reasons() -> None:
    assert named([0, 0.001, -0.001, 0, 0, 0], declined=False) == ""


@settings(deadline=None)
@given(st.lists(st.floats(-20, 20), min_size=6, max_size=6), st.booleans())
def test_reasons_are_few_ordered_and_point_the_way_of_their_sign(contributed: list[float], declined: bool) -> None:
    found = reasons(SIX, contributed, [1.0] * 6, declined)
    sizes = [abs(reason.contribution) for reason in found]
    assert len(found) <= MOST_REASONS
    assert sizes == sorted(sizes, reverse=True)
    assert len({reason.feature for reason in found}) == len(found)
    for reason in found:
        assert reason.contribution == contributed["abcdef".index(reason.feature)]
        assert reason.direction == ("raises the risk" if reason.contribution > 0 else "lowers the risk")
        assert reason.contribution > 0 or not declined
        assert ("This raises" in reason.sentence) == (reason.contribution > 0)


def test_nothing_left_out_matters_more_than_what_is_told() -> None:
    contributed = [0.3, 0.1, 0.5, 0.2, 0.6, 0.4]
    assert named(contributed, declined=True) == named(contributed, declined=False) == "ecfa"


# The words


def test_a_sentence_says_what_the_value_is_and_which_way_it_points() -> None:
    column = NUMBER | {"description": "What is owed. More is worse.", "unit": "dollars"}
    assert the_reason(column, 30_000, -1).sentence == (
        "What is owed. More is worse. In this application: 30,000 (dollars). This lowers the estimated risk."
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (-0.0, "0"),
        (5e-324, "almost 0"),
        (-0.001, "almost 0"),
        (0.01, "0.01"),
        (1.5, "1.5"),
        (999.999, "1,000"),
        (158_287.8, "158,287.8"),
        (-1234.567, "-1,234.57"),
        (1_000_000, "1,000,000"),
        (1e15, "1,000,000,000,000,000"),
        (3.4e38, "more than 1,000,000,000,000,000"),
        (-3.4e38, "less than -1,000,000,000,000,000"),
    ],
)
def test_numbers_have_thousands_separators_and_at_most_two_decimals(value: float, expected: str) -> None:
    assert said(NUMBER, value) == f"{expected} ($)"


def test_integers_are_said_like_other_numbers() -> None:
    assert said(INTEGER, 1200) == "1,200 (years)"


@pytest.mark.parametrize(("value", "expected"), [(1, "yes"), (0, "no")])
def test_booleans_are_yes_and_no(value: float, expected: str) -> None:
    assert said(BOOLEAN, value) == expected


def test_categories_are_quoted_so_that_they_cannot_run_into_the_sentence() -> None:
    assert said(HOMES | {"categories": ["own", "It depends. Ask!"]}, 1) == "“It depends. Ask!”"


@pytest.mark.parametrize("column", [NUMBER, INTEGER, BOOLEAN, HOMES])
def test_what_is_missing_is_not_stated_and_can_be_a_reason(column: dict[str, Any]) -> None:
    assert said(column | {"may_be_missing": True}, math.nan) == "not stated"
    assert the_reason(column | {"may_be_missing": True}, math.nan).value is None


def test_a_category_that_may_have_been_stated_but_is_unknown_is_not_called_unstated() -> None:
    lenient = HOMES | {"unknown": "missing", "may_be_missing": True}
    assert said(lenient, math.nan) == "not stated, or not a value that the model knows"
    assert said(lenient, 1) == "“rent”"


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("income, e.g. from work", "Income, e.g. from work."),
        ("Is it so?", "Is it so?"),
        ("Debts:", "Debts."),
        ("Over\n  two lines.", "Over two lines."),
        ("Ärger", "Ärger."),
    ],
)
def test_a_description_becomes_whole_sentences(description: str, expected: str) -> None:
    sentence = the_reason(BOOLEAN | {"description": description}, 1).sentence
    assert sentence == f"{expected} In this application: yes. This raises the estimated risk."


@pytest.mark.parametrize(
    ("column", "number", "value"),
    [(NUMBER, 2.0, 2.0), (INTEGER, 2.0, 2), (BOOLEAN, 0.0, False), (HOMES, 2.0, "other")],
)
def test_the_value_is_as_people_write_it_and_survives_json(column: dict[str, Any], number: float, value: Any) -> None:
    reason = the_reason(column, number)
    assert (reason.value, type(reason.value)) == (value, type(value))
    again = Reason.model_validate_json(reason.model_dump_json())
    assert (again, type(again.value)) == (reason, type(value))


def test_rows_of_arrays_are_as_good_as_lists() -> None:
    assert reasons(SIX, np.arange(6.0).tolist(), [1.0] * 6, True) == [
        *reasons(SIX, np.arange(6.0), np.ones(6), True)  # type: ignore[arg-type]
    ]


# Derived features

RATIO = {"ratio": {"numerator": "a", "denominator": "b"}}
ITSELF = {"ratio": {"numerator": "b", "denominator": "b"}}
DIFFERENCE = {"difference": {"of": "a", "minus": "c"}}
LOG = {"log": {"of": "b"}}
OPTIONAL = {"may_be_missing": True}
DERIVING = declaring(
    NUMBER | OPTIONAL,
    POSITIVE | OPTIONAL,
    NUMBER | OPTIONAL,
    ratio=RATIO,
    itself=ITSELF,
    difference=DIFFERENCE,
    log=LOG,
)


@pytest.fixture(scope="module")
def applicants() -> NDArray[np.float64]:
    """300 rows; every column is missing in some, together and alone."""
    random = np.random.default_rng(0)
    rows = random.uniform(0.1, 9, (300, 3))
    rows[random.random(rows.shape) < 0.3] = np.nan
    return rows


@pytest.fixture(scope="module")
def booster(applicants: NDArray[np.float64]) -> xgb.Booster:
    """Trees on every feature."""
    labels = np.random.default_rng(1).integers(0, 2, len(applicants))
    rows = xgb.DMatrix(Features(DERIVING).matrix(applicants), labels, feature_names=DERIVING.feature_names)
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, rows, 30)
    booster.feature_types = DERIVING.feature_types
    return booster


def by_hand(of_features: NDArray[np.float64], row: NDArray[np.float64]) -> list[float]:
    """The rule once more, for one applicant."""
    a, b, c, ratio, itself, difference, log = of_features
    no_a, no_b, no_c = np.isnan(row)
    ratio_to_a = 0.5 if no_a == no_b else float(no_a)
    difference_to_a = 0.5 if no_a == no_c else float(no_a)
    return [
        a + ratio_to_a * ratio + difference_to_a * difference,
        b + (1 - ratio_to_a) * ratio + itself + log,
        c + (1 - difference_to_a) * difference,
    ]


def test_a_derived_feature_is_shared_equally_by_its_columns_or_by_those_it_is_missing_for(
    applicants: NDArray[np.float64], booster: xgb.Booster
) -> None:
    matrix = Features(DERIVING).matrix(applicants)
    raw = booster.predict(xgb.DMatrix(matrix, feature_names=DERIVING.feature_names), pred_contribs=True)
    assert (np.abs(raw).max(axis=0)[[3, 5]] > 0).all()
    expected = [
        by_hand(CALIBRATION.slope * of_features[:-1], row) for of_features, row in zip(raw, applicants, strict=True)
    ]
    found = contributions(booster, CALIBRATION, DERIVING, matrix)
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-6)
    assert found.base == CALIBRATION.slope * raw[0, -1] + CALIBRATION.intercept


def test_a_column_used_twice_by_a_derived_feature_gets_the_whole_of_it_once() -> None:
    """Such a feature only tells whether the column is missing; the trees see nothing else here."""
    schema = declaring(POSITIVE | OPTIONAL, itself={"ratio": {"numerator": "a", "denominator": "a"}})
    seen = np.array([[0, 1], [0, np.nan]] * 50, dtype=np.float32)
    booster = xgb.train(
        {"objective": "binary:logistic"}, xgb.DMatrix(seen, np.isnan(seen[:, 1]), feature_names=["a", "itself"]), 3
    )
    margins = booster.inplace_predict(seen, predict_type="margin", validate_features=False)
    found = contributions(booster, CALIBRATION, schema, Features(schema).matrix(np.array([[5.0], [np.nan]])))
    np.testing.assert_allclose(found.base + found.values[:, 0], 0.5 * margins[:2] - 1, atol=1e-5)
    assert found.values[0, 0] < 0 < found.values[1, 0]


def test_the_shares_keep_the_sum(applicants: NDArray[np.float64], booster: xgb.Booster) -> None:
    matrix = Features(DERIVING).matrix(applicants)
    margins = booster.inplace_predict(matrix, predict_type="margin", validate_features=False)
    found = contributions(booster, CALIBRATION, DERIVING, matrix)
    expected = CALIBRATION.slope * margins + CALIBRATION.intercept
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), expected, rtol=0, atol=1e-5)


def test_the_input_is_not_modified(applicants: NDArray[np.float64], booster: xgb.Booster) -> None:
    values = Features(DERIVING).values(applicants)
    before = values.copy()
    explain(booster, CALIBRATION, DERIVING, values, [True] * len(values))
    assert values.tobytes() == before.tobytes()


def test_importance_is_the_mean_magnitude_by_column() -> None:
    found = importance(declaring(NUMBER, HOMES), Contributions(-1, np.array([[1.0, 0.5], [-3.0, 0.5]])))
    assert found == {"a": 2, "b": 0.5}
    assert list(found) == ["a", "b"]
