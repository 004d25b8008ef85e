"""Margins by the C API: the same as XGBoost's own `inplace_predict`, to the last bit, and nothing left behind."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xgboost as xgb
from numpy.typing import NDArray

from loan_default.margins import raw_margins

ROWS = 500


@pytest.fixture(scope="module")
def matrix() -> NDArray[np.float32]:
    """Numbers, missing values and codes of a category, some of them never seen in training."""
    rng = np.random.default_rng(5)
    made = rng.normal(size=(ROWS, 3)).astype(np.float32)
    made[:, 1] = rng.integers(0, 6, ROWS)
    made[rng.random((ROWS, 3)) < 0.1] = np.nan
    return made


@pytest.fixture(scope="module")
def booster(matrix: NDArray[np.float32]) -> xgb.Booster:
    seen = matrix[:300]
    target = np.nan_to_num(seen[:, 0]) + np.nan_to_num(seen[:, 1]) > 1
    rows = xgb.DMatrix(seen, target, feature_names=["a", "b", "c"], feature_types=["q", "c", "q"])
    return xgb.train({"objective": "binary:logistic", "max_depth": 3}, rows, 20)


def inplace(booster: xgb.Booster, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    margins = booster.inplace_predict(matrix, predict_type="margin", validate_features=False)
    return np.asarray(margins, dtype=np.float64)


@pytest.mark.parametrize("rows", [1, 2, 31, ROWS])
def test_they_are_those_of_inplace_predict(booster: xgb.Booster, matrix: NDArray[np.float32], rows: int) -> None:
    found = raw_margins(booster, matrix[:rows])
    assert found.dtype == np.float64
    assert found.tobytes() == inplace(booster, matrix[:rows]).tobytes()


def test_the_order_in_memory_does_not_matter(booster: xgb.Booster, matrix: NDArray[np.float32]) -> None:
    for laid_out in (np.asfortranarray(matrix), np.repeat(matrix, 2, axis=0)[::2]):
        assert raw_margins(booster, laid_out).tobytes() == inplace(booster, matrix).tobytes()


def test_no_rows_have_no_margins(booster: xgb.Booster, matrix: NDArray[np.float32]) -> None:
    assert raw_margins(booster, matrix[:0]).shape == (0,)


@pytest.mark.parametrize("columns", [2, 4])
def test_another_number_of_columns_is_refused(booster: xgb.Booster, columns: int) -> None:
    with pytest.raises(xgb.core.XGBoostError, match="Number of columns"):
        raw_margins(booster, np.zeros((5, columns), dtype=np.float32))


def test_the_next_call_leaves_a_result_alone(booster: xgb.Booster, matrix: NDArray[np.float32]) -> None:
    first = raw_margins(booster, matrix)
    before = first.copy()
    raw_margins(booster, -matrix)
    assert first.tobytes() == before.tobytes()


def test_threads_do_not_see_each_others_results(booster: xgb.Booster, matrix: NDArray[np.float32]) -> None:
    expected = inplace(booster, matrix)

    def differs(start: int) -> bool:
        part = slice(start, start + 50)
        return any(not np.array_equal(raw_margins(booster, matrix[part]), expected[part]) for _ in range(300))

    with ThreadPoolExecutor(4) as threads:
        assert not any(threads.map(differs, range(0, 400, 100)))


def test_nothing_is_left_to_the_garbage_collector(booster: xgb.Booster, matrix: NDArray[np.float32]) -> None:
    raw_margins(booster, matrix)
    gc.collect()
    gc.disable()
    try:
        for _ in range(200):
            raw_margins(booster, matrix)
        assert gc.collect() < 100  # less than one for two calls; `inplace_predict` leaves 25 for each
    finally:
        gc.enable()
