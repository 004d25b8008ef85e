"""Answers by cell: the same bits as by the trees, wherever a row lies, and no cells where there could not be any."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loan_default import cells
from loan_default.cells import FEW_ROWS, Cells, by_cell
from loan_default.margins import raw_margins
from loan_default.model import LoanModel
from loan_default.reasons import explain
from loan_default.training.data import Dataset

LARGEST = float(np.finfo(np.float32).max)
SPECIAL = [np.nan, 0.0, -0.0, 1e-45, -1e-45, 1.0, LARGEST, -LARGEST]
MANY = FEW_ROWS + 1  # from so many rows on they are placed in another way


def trained(values: NDArray[np.float32], target: NDArray[np.bool_], types: str = "qqq", **options: Any) -> xgb.Booster:
    """A booster of a few trees."""
    rows = xgb.DMatrix(values, target, feature_names=["a", "b", "c"], feature_types=list(types))
    return xgb.train({"objective": "binary:logistic", "max_depth": 1, "max_bin": 16, **options}, rows, 20)


def drawn(seed: int, rows: int = 400) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Numbers of any size, some missing, one column with few values; and a target that has to do with them."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 3)) * 10.0 ** random.integers(-3, 6, 3)
    values[:, 1] = random.integers(-1, 2, rows)
    values[random.random((rows, 3)) < 0.1] = np.nan
    target = np.nan_to_num(values) @ random.normal(size=3) + random.normal(size=rows) > 0
    return values.astype(np.float32), target


def cells_of(booster: xgb.Booster) -> Cells:
    """Its cells."""
    found = Cells.of(booster)
    assert found is not None
    return found


def cuts_of(booster: xgb.Booster) -> NDArray[np.float32]:
    """Every cut, of whichever feature, and its neighbours."""
    frame = booster.trees_to_dataframe()
    cuts = frame["Split"].dropna().to_numpy(dtype=np.float32)
    return np.unique(np.concatenate([np.nextafter(cuts, np.float32(-np.inf)), cuts, np.nextafter(cuts, cuts + 1)]))


def same(booster: xgb.Booster, rows: NDArray[np.float32]) -> bool:
    """Whether the cells answer as the trees do, to the last bit, for all rows at once and for one at a time."""
    found = by_cell(cells_of(booster), partial(raw_margins, booster))
    alone = np.concatenate([found(row) for row in rows[:, None, :]])
    return found(rows).tobytes() == raw_margins(booster, rows).tobytes() == alone.tobytes()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 2), method=st.sampled_from(["hist", "approx"]))
def test_they_answer_as_the_trees_do_on_both_sides_of_each_cut(seed: int, depth: int, method: str) -> None:
    booster = trained(*drawn(seed), max_depth=depth, tree_method=method)
    values = np.concatenate([cuts_of(booster), np.array(SPECIAL, dtype=np.float32)])
    rows = np.random.default_rng(seed).choice(values, (4 * MANY, 3))
    assert same(booster, rows)


@pytest.mark.parametrize("rows", [0, 1, MANY - 1, MANY, 1000])
def test_any_number_of_rows_is_looked_up(rows: int) -> None:
    values, target = drawn(3, rows=1000)
    booster = trained(values, target)
    found = by_cell(cells_of(booster), partial(raw_margins, booster))(values[:rows])
    assert found.dtype == np.float64
    assert found.tobytes() == raw_margins(booster, values[:rows]).tobytes()


def test_the_order_in_memory_does_not_matter() -> None:
    values, target = drawn(4)
    booster = trained(values, target)
    places = cells_of(booster).places
    for laid_out in (np.asfortranarray(values), np.repeat(values, 2, axis=0)[::2]):
        assert places(laid_out).tolist() == places(values).tolist()


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside_others"])
def test_a_cut_that_all_numbers_lie_on_one_side_of_parts_missing_values_from_others(alone: bool) -> None:
    values, target = drawn(5)
    values[:, 0] = np.where(np.isnan(values[:, 0]), np.nan, LARGEST)
    if alone:
        values[:, 1:] = 0
    booster = trained(values, np.isnan(values[:, 0]) ^ (target & (not alone)))
    assert np.isinf(cuts_of(booster)).any()
    rows = np.random.default_rng(5).choice(np.array(SPECIAL, dtype=np.float32), (MANY, 3))
    assert len(np.unique(raw_margins(booster, rows))) > 1
    assert same(booster, rows)
    assert (len(cells_of(booster)) == 2) is alone


def test_the_default_model_has_some_and_answers_by_them(loan_model: LoanModel, dataset: Dataset) -> None:
    assert loan_model.cells is not None
    assert 100 < len(loan_model.cells) < 4000
    matrix = loan_model.features.matrix(dataset.applicants)
    by_trees = loan_model.decision.calibration.pd(raw_margins(loan_model.booster, matrix))
    assert loan_model.pd_of_features(matrix).tobytes() == by_trees.tobytes()
    assert loan_model.pd(dataset.applicants).tobytes() == by_trees.tobytes()


def test_the_reasons_are_those_of_the_trees(loan_model: LoanModel, dataset: Dataset) -> None:
    values = loan_model.features.values(dataset.applicants)
    declined = [True, False] * (len(values) // 2)
    expected = explain(loan_model.booster, loan_model.decision.calibration, loan_model.schema, values, declined)
    assert loan_model.explain_values(values, declined) == expected


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 2))
def test_contributions_are_those_of_the_trees(seed: int, depth: int) -> None:
    booster = trained(*drawn(seed), max_depth=depth)
    rows = np.random.default_rng(seed).choice(cuts_of(booster), (300, 3))

    def contributed(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        of = xgb.DMatrix(matrix, feature_names=["a", "b", "c"], feature_types=["q", "q", "q"])
        return np.asarray(booster.predict(of, pred_contribs=True))

    assert by_cell(cells_of(booster), contributed)(rows).tobytes() == contributed(rows).tobytes()


def test_more_than_are_worth_it_are_not_filled() -> None:
    booster = trained(*drawn(11))
    found = cells_of(booster)
    asked: list[int] = []

    def answer(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        asked.append(len(matrix))
        return raw_margins(booster, matrix)

    assert by_cell(found, answer, most=len(found) - 1) is answer
    assert by_cell(None, answer) is answer
    assert asked == []
    looked_up = by_cell(found, answer, most=len(found))
    for _ in range(3):
        looked_up(found.points)
    assert asked == [len(found)]


def test_trees_that_split_by_category_have_none(credit_model: LoanModel) -> None:
    values, target = drawn(6)
    values[:, 1] += 1
    by_category = trained(values, values[:, 1] == 1, types="qcq", max_cat_to_onehot=10)
    assert by_category.trees_to_dataframe()["Category"].notna().any()
    assert Cells.of(by_category) is None
    assert credit_model.cells is None
    assert Cells.of(trained(values, target)) is not None


def test_too_many_cells_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    booster = trained(*drawn(7))
    most = len(cells_of(booster))
    monkeypatch.setattr(cells, "MOST_CELLS", most)
    assert len(cells_of(booster)) == most
    monkeypatch.setattr(cells, "MOST_CELLS", most - 1)
    assert Cells.of(booster) is None


def test_a_model_that_takes_long_to_read_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    booster = trained(*drawn(7))
    size = len(booster.save_raw("json"))
    monkeypatch.setattr(cells, "_MOST_BYTES", size)
    assert Cells.of(booster) is not None
    monkeypatch.setattr(cells, "_MOST_BYTES", size - 1)
    assert Cells.of(booster) is None


def test_as_many_cuts_as_a_byte_counts_are_told_apart_and_more_have_none() -> None:
    for steps, has_some in ((256, True), (257, False)):
        values = np.zeros((steps, 3), dtype=np.float32)
        values[:, 0] = np.arange(steps)
        booster = trained(values, values[:, 0] % 2 == 0, max_depth=0, max_leaves=0, min_child_weight=0, max_bin=512)
        assert (Cells.of(booster) is not None) is has_some
        if has_some:
            assert len(cells_of(booster)) == 255 + 2
            assert same(booster, values)


@pytest.mark.parametrize("options", [{"booster": "dart"}, {"booster": "gblinear", "updater": "coord_descent"}])
def test_what_is_no_plain_sum_of_trees_has_none(options: dict[str, str]) -> None:
    values, target = drawn(9)
    if options["booster"] == "gblinear":
        booster = xgb.train({"objective": "binary:logistic", **options}, xgb.DMatrix(values, target), 3)
    else:
        booster = trained(values, target, **options)
    assert Cells.of(booster) is None


def test_trees_without_a_split_have_none() -> None:
    values, target = drawn(10)
    assert Cells.of(trained(values, target, gamma=1e9)) is None
