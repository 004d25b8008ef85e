"""The feature matrix: its numbers, what is missing, its limits at float32's range, and rows that stand alone."""

import math
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray

from loan_default.features import Features
from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema

FLOAT32_MAX = float(np.finfo(np.float32).max)
FEATURES = Features(load_schema(DEFAULT_SCHEMA))

EXTREMES = [
    (1e308, 5e-324),
    (1.7976931348623157e308, 1.7976931348623157e308),
    (5e-324, 5e-324),
    (5e-324, 1e308),
    (0.0, 5e-324),
    (-0.0, 1.0),
    (FLOAT32_MAX, 1.0),
    (float(np.nextafter(FLOAT32_MAX, np.inf)), 0.5),
]


def applicants(min_size: int = 1) -> SearchStrategy[NDArray[np.float64]]:
    """Any applicants that pass validation."""
    row = st.tuples(
        st.sampled_from([0.0, 1.0]),
        st.floats(min_value=0, allow_infinity=False),
        st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    )
    return st.lists(row, min_size=min_size, max_size=8).map(lambda rows: np.array(rows, dtype=np.float64))


def test_the_saving_rate_is_the_balance_divided_by_the_salary() -> None:
    values = FEATURES.values(np.array([[1.0, 9000.0, 36000.0], [0.0, 0.0, 12000.0], [1.0, 300.0, 100.0]]))
    assert values.tolist() == [[1, 9000, 36000, 0.25], [0, 0, 12000, 0], [1, 300, 100, 3]]


def test_the_matrix_is_float32_with_one_column_for_each_feature() -> None:
    matrix = FEATURES.matrix(np.array([[1.0, 9000.0, 36000.0], [0.0, 0.1, 0.3]]))
    assert matrix.dtype == np.float32
    assert matrix.shape == (2, 4)
    assert matrix[1, 3] == np.float32(0.1 / 0.3)


def test_values_keep_full_precision() -> None:
    values = FEATURES.values(np.array([[1.0, 0.1, 0.3]]))
    assert values.dtype == np.float64
    assert values[0].tolist() == [1.0, 0.1, 0.3, 0.1 / 0.3]


def test_no_applicants_make_an_empty_matrix() -> None:
    assert FEATURES.matrix(np.empty((0, 3))).shape == (0, 4)


@pytest.mark.parametrize(("balance", "salary"), EXTREMES)
def test_extreme_values_are_never_infinite(balance: float, salary: float) -> None:
    assert np.isfinite(FEATURES.matrix(np.array([[1.0, balance, salary]]))).all()


def test_values_beyond_float32_are_put_at_its_end() -> None:
    assert FEATURES.values(np.array([[1.0, 1e308, 5e-324]]))[0].tolist() == [1.0, FLOAT32_MAX, 5e-324, FLOAT32_MAX]


@settings(deadline=None)
@given(applicants())
def test_any_valid_applicant_has_finite_features(rows: NDArray[np.float64]) -> None:
    assert np.isfinite(FEATURES.matrix(rows)).all()


@settings(deadline=None)
@given(applicants())
def test_the_input_is_not_modified(rows: NDArray[np.float64]) -> None:
    before = rows.copy()
    FEATURES.matrix(rows)
    assert rows.tobytes() == before.tobytes()


def test_a_read_only_input_is_enough() -> None:
    rows = np.array([[1.0, 1e308, 2.0]])
    rows.flags.writeable = False
    assert FEATURES.matrix(rows).shape == (1, 4)


@settings(deadline=None)
@given(applicants(), st.randoms(use_true_random=False))
def test_a_row_does_not_depend_on_the_others(rows: NDArray[np.float64], random: Random) -> None:
    order = random.sample(range(len(rows)), len(rows))
    together = FEATURES.matrix(rows)
    alone = np.concatenate([FEATURES.matrix(rows[i : i + 1]) for i in range(len(rows))])
    assert together.tobytes() == alone.tobytes()
    assert FEATURES.matrix(rows[order]).tobytes() == together[order].tobytes()


def declaring(columns: list[dict[str, Any]], **operations: dict[str, Any]) -> Schema:
    """A declaration of these columns, by their order called a, b, c, and of derived features by name."""
    words = {"description": "X.", "risk_reason": "None."}
    named = [words | {"name": name, "header": name} | column for name, column in zip("abcd", columns, strict=False)]
    derived = [words | {"name": name} | operation for name, operation in operations.items()]
    target = {"header": "Bad", "positive": 1, "description": "X."}
    return Schema.model_validate({"name": "own", "columns": named, "derived": derived, "target": target})


def matrix_of(*applicants: list[float]) -> NDArray[np.float64]:
    return np.array(applicants, dtype=np.float64)


NUMBER = {"type": "number", "unit": "$", "example": 5}
POSITIVE = NUMBER | {"exclusive_minimum": 0, "may_be_missing": True}
OPTIONAL = NUMBER | {"may_be_missing": True}
HOMES = {"type": "category", "categories": ["own", "rent", "other", "none"], "example": "own"}
RATIO = {"ratio": {"numerator": "a", "denominator": "b"}}
DIFFERENCE = {"difference": {"of": "a", "minus": "b"}}
LOG = {"log": {"of": "b", "plus": 0.5}}
ALL = Features(declaring([OPTIONAL, POSITIVE, OPTIONAL], ratio=RATIO, difference=DIFFERENCE, log=LOG))


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (RATIO, [1.5, -0.5, 0.0]),
        ({"ratio": {"numerator": "b", "denominator": "b"}}, [1.0, 1.0, 1.0]),
        (DIFFERENCE, [1.0, -6.0, -0.25]),
        ({"difference": {"of": "b", "minus": "a"}}, [-1.0, 6.0, 0.25]),
        ({"difference": {"of": "a", "minus": "a"}}, [0.0, 0.0, 0.0]),
        ({"log": {"of": "b"}}, [math.log(2), math.log(4), math.log(0.25)]),
        ({"log": {"of": "b", "plus": 1}}, [math.log(3), math.log(5), math.log(1.25)]),
        ({"log": {"of": "b", "plus": 0.75}}, [math.log(2.75), math.log(4.75), 0.0]),
    ],
)
def test_an_operation_computes_what_it_says(operation: dict[str, Any], expected: list[float]) -> None:
    features = Features(declaring([OPTIONAL, POSITIVE], new=operation))
    values = features.values(matrix_of([3, 2], [-2, 4], [0, 0.25]))
    np.testing.assert_allclose(values[:, 2], expected, rtol=1e-15, atol=0)
    assert values[:, :2].tolist() == [[3, 2], [-2, 4], [0, 0.25]]


def test_a_logarithm_of_what_may_be_zero_starts_at_the_logarithm_of_plus() -> None:
    features = Features(declaring([NUMBER | {"minimum": 0}], new={"log": {"of": "a", "plus": 1}}))
    assert features.values(matrix_of([0], [-0.0], [math.e - 1])).tolist() == [[0, 0], [0, 0], [math.e - 1, 1]]


def test_derived_features_come_after_the_columns_in_the_declared_order() -> None:
    values = ALL.values(matrix_of([3, 2, 7]))
    assert values[0].tolist() == [3, 2, 7, 1.5, 1.0, math.log(2.5)]


def test_without_derived_features_the_features_are_the_columns() -> None:
    features = Features(declaring([NUMBER, HOMES]))
    assert features.values(matrix_of([1.5, 2], [3, 0])).tolist() == [[1.5, 2], [3, 0]]


def test_a_derived_feature_may_use_any_numeric_columns() -> None:
    integer = {"type": "integer", "unit": "years", "minimum": 1, "example": 5}
    features = Features(declaring([HOMES, integer, NUMBER], new={"ratio": {"numerator": "c", "denominator": "b"}}))
    assert features.values(matrix_of([3, 4, 10])).tolist() == [[3, 4, 10, 2.5]]


NUMBERS = st.just(math.nan) | st.floats(min_value=-1e300, max_value=1e300)
AMOUNTS = st.just(math.nan) | st.floats(min_value=5e-324, max_value=1e300)
WITH_MISSING = st.lists(st.tuples(NUMBERS, AMOUNTS, NUMBERS), min_size=1, max_size=6).map(
    lambda found: np.array(found, dtype=np.float64)
)


@settings(deadline=None)
@given(WITH_MISSING)
def test_a_derived_feature_is_missing_exactly_where_a_column_it_uses_is(applicants: NDArray[np.float64]) -> None:
    missing = np.isnan(applicants)
    either = missing[:, 0] | missing[:, 1]
    expected = np.column_stack([missing, either, either, missing[:, 1]])
    np.testing.assert_array_equal(np.isnan(ALL.values(applicants)), expected)
    np.testing.assert_array_equal(np.isnan(ALL.matrix(applicants)), expected)


@settings(deadline=None)
@given(WITH_MISSING)
def test_no_feature_is_ever_infinite(applicants: NDArray[np.float64]) -> None:
    assert not np.isinf(ALL.matrix(applicants)).any()
    assert (np.abs(ALL.values(applicants)[~np.isnan(ALL.values(applicants))]) <= FLOAT32_MAX).all()


@settings(deadline=None)
@given(WITH_MISSING)
def test_the_matrix_is_the_values_in_float32(applicants: NDArray[np.float64]) -> None:
    assert ALL.matrix(applicants).tobytes() == ALL.values(applicants).astype(np.float32).tobytes()


def test_clipping_keeps_the_sign_and_what_is_missing() -> None:
    values = ALL.values(matrix_of([-1e300, 1e-300, math.nan]))
    assert values[0, [0, 3, 4]].tolist() == [-FLOAT32_MAX] * 3
    assert np.isnan(values[0, 2])


def test_a_difference_that_overflows_is_put_at_the_end_of_float32() -> None:
    features = Features(declaring([NUMBER, NUMBER], new=DIFFERENCE))
    values = features.values(matrix_of([1.7e308, -1.7e308], [-1.7e308, 1.7e308]))
    assert values[:, 2].tolist() == [FLOAT32_MAX, -FLOAT32_MAX]


def test_a_logarithm_of_a_huge_number_is_not_clipped_with_it() -> None:
    assert ALL.values(matrix_of([1, 1e300, 1]))[0, 5] == pytest.approx(300 * math.log(10))


@pytest.mark.parametrize("huge", [1.7976931348623157e308, 1e308])
def test_a_derived_feature_is_computed_before_anything_is_clipped(huge: float) -> None:
    assert ALL.values(matrix_of([huge, huge, 0]))[0, 3:5].tolist() == [1.0, 0.0]


def test_categories_never_seen_become_missing_and_the_others_stay() -> None:
    features = Features(declaring([HOMES | {"never_seen": ["rent", "none"]}]))
    values = features.values(matrix_of([0], [1], [2], [3], [math.nan]))
    np.testing.assert_array_equal(values[:, 0], [0, math.nan, 2, math.nan, math.nan])


def test_categories_never_seen_leave_other_columns_alone() -> None:
    features = Features(declaring([NUMBER, HOMES | {"never_seen": ["rent"]}, HOMES, HOMES | {"never_seen": ["none"]}]))
    values = features.values(matrix_of([1, 1, 1, 1], [3, 3, 3, 3]))
    np.testing.assert_array_equal(values, [[1, math.nan, 1, 1], [3, 3, 3, math.nan]])


def test_categories_that_training_saw_keep_their_codes() -> None:
    assert Features(declaring([HOMES])).values(matrix_of([0], [1], [2], [3]))[:, 0].tolist() == [0, 1, 2, 3]


def test_what_is_never_seen_is_not_put_into_the_input() -> None:
    applicants = matrix_of([1], [2])
    Features(declaring([HOMES | {"never_seen": ["rent"]}])).matrix(applicants)
    assert applicants.tolist() == [[1], [2]]


def test_integers_and_booleans_are_themselves() -> None:
    integer = {"type": "integer", "unit": "years", "example": 5, "may_be_missing": True}
    boolean = {"type": "boolean", "example": True, "may_be_missing": True}
    features = Features(declaring([integer, boolean]))
    applicants = matrix_of([-7, 0], [2**53, 1], [math.nan, math.nan])
    np.testing.assert_array_equal(features.values(applicants), applicants)


def test_missing_values_raise_no_warning_and_stay_missing() -> None:
    nothing = np.full((2, 3), np.nan)
    assert np.isnan(ALL.matrix(nothing)).all()
    assert ALL.matrix(nothing).shape == (2, 6)
