"""A reference cut into bins: every value in one of them, the rare together, to the last bit of a float."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from loan_default.bins import Bins

VALUES = st.lists(st.sampled_from([0.0, 1.0, np.nan]) | st.floats(-1e30, 1e30), min_size=1, max_size=300).map(np.array)


@given(VALUES, VALUES, st.booleans())
def test_every_value_is_in_one_bin_and_the_reference_counts_itself(
    reference: NDArray[np.float64], values: NDArray[np.float64], nominal: bool
) -> None:
    bins = Bins.of(reference, nominal=nominal)
    assert bins.count(values).sum() == len(values)
    assert bins.count(reference).tolist() == bins.reference.tolist()
    assert bins.rows == len(reference)


@given(VALUES, VALUES, VALUES)
def test_counts_add_up(reference: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    bins = Bins.of(reference)
    assert (bins.count(a) + bins.count(b)).tolist() == bins.count(np.concatenate([a, b])).tolist()


@given(VALUES, VALUES)
def test_it_is_read_as_it_was_written(reference: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    bins = Bins.of(reference)
    again = Bins.model_validate_json(bins.model_dump_json())
    assert again == bins
    assert again.count(values).tolist() == bins.count(values).tolist()


def test_a_value_that_many_share_is_in_one_bin_with_all_its_rows() -> None:
    generator = np.random.default_rng(5)
    balance = np.where(generator.random(10_000) < 0.35, 0.0, generator.gamma(2, 1000, 10_000).round(2))
    bins = Bins.of(balance)
    assert bins.points[0] == 0
    assert bins.counts[0] == (balance == 0).sum()
    assert min(bins.counts) > 50


def test_numbers_with_few_values_and_categories_have_a_bin_for_each_value() -> None:
    children = Bins.of(np.repeat([0.0, 1.0, 2.0, 7.0], [500, 300, 198, 2]))
    assert (children.kind, children.points, children.counts, children.other) == (
        "values",
        (0, 1, 2),
        (500, 300, 198),
        2,
    )
    codes = Bins.of(np.repeat(np.arange(40.0), 10), nominal=True)
    assert len(codes.points) == 40


def test_rare_values_missing_ones_and_values_never_seen_share_a_bin() -> None:
    bins = Bins.of(np.repeat([0.0, 1.0, 2.0, np.nan], [5000, 4960, 20, 20]))
    assert bins.reference.tolist() == [5000, 4960, 40]
    assert bins.count(np.array([0, 1, 2, 0.5, -1e300, 3, np.nan])).tolist() == [1, 1, 5]


def test_missing_values_that_are_not_rare_have_a_bin_of_their_own() -> None:
    bins = Bins.of(np.append(np.arange(990.0), np.full(10, np.nan)))
    assert bins.reference[-2:].tolist() == [10, 0]
    assert bins.count(np.array([np.nan, -5, 1e9])).tolist()[-2:] == [1, 0]


def test_many_bins_are_counted_like_few() -> None:
    codes = np.random.default_rng(6).integers(0, 400, 100_000).astype(float)
    codes[:1_000] = np.nan
    few = Bins(kind="values", points=(3.0, 7.0), counts=(1, 1), missing=0)
    many = Bins(kind="values", points=tuple(map(float, range(400))), counts=(1,) * 400, missing=500)
    assert many.count(codes)[[3, 7]].tolist() == few.count(codes)[:2].tolist()
    assert many.count(codes)[-2:].tolist() == [1_000, 0]


def test_a_number_close_to_a_value_is_not_that_value() -> None:
    bins = Bins.of(np.repeat([0.0, 1.0], 50))
    near = np.array([np.nextafter(1, 2), np.nextafter(1, 0), np.nextafter(0, 1), np.nextafter(0, -1), -0.0, 1.0])
    assert bins.count(near).tolist() == [1, 1, 4]


@pytest.mark.parametrize(
    "changed",
    [
        {"points": (1.0, 1.0), "counts": (5, 5, 5)},
        {"points": (2.0, 1.0), "counts": (5, 5, 5)},
        {"counts": (5, 5)},
        {"kind": "values"},
        {"counts": (0, 0, 0)},
        {"counts": (9, 9, -1)},
        {"points": (1.0, float("nan"))},
    ],
)
def test_bins_that_contradict_themselves_are_refused(changed: dict[str, object]) -> None:
    good = {"kind": "quantiles", "points": (1.0, 2.0), "counts": (5, 5, 5), "missing": 0}
    assert Bins.model_validate(good).rows == 15
    with pytest.raises(ValidationError):
        Bins.model_validate(good | changed)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_of_either_kind_are_counted_exactly(kind: Any) -> None:
    codes = np.repeat([0.1, 0.2, 0.3], [50, 30, 20]).astype(kind)
    assert Bins.of(codes).count(codes).tolist() == [50, 30, 20, 0]
    near = np.nextafter(codes, kind(1))
    assert Bins.of(codes).count(near).tolist() == [0, 0, 0, 100]
    tenths = (np.random.default_rng(7).integers(0, 100, 5_000) / 10).astype(kind)
    bins = Bins.of(tenths)
    assert bins.kind == "quantiles"
    assert bins.count(tenths).tolist() == bins.reference.tolist()
