"""The feature matrix: its numbers, its limits at float32's range, and that rows do not depend on each other."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray

from loan_default.features import Features
from loan_default.schema import DEFAULT_SCHEMA, load_schema

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
