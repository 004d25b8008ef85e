"""The hold-out: how many rows, which ones, and which stay when rows are added.

What exactly holds when rows are added, in each class and as long as no two rows are equal: the old rows held out before
and after are nested (one set contains the other), and every old row that leaves the hold-out makes room for a new row
with a smaller hash. No row changes sides for any other reason.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loan_default.training.data import Dataset
from loan_default.training.split import holdout_mask, row_hashes

SHARE = 0.2


def invented(rows: int, seed: int) -> Dataset:
    """Random applicants, no two alike; one in ten defaults."""
    generator = np.random.default_rng(seed)
    applicants = np.column_stack([generator.integers(0, 2, rows), generator.random((rows, 2)) * 1e6]).astype(np.float64)
    return Dataset(applicants, (generator.random(rows) < 0.1).astype(np.int64), "")


def joined(one: Dataset, other: Dataset) -> Dataset:
    applicants = np.concatenate([one.applicants, other.applicants])
    return Dataset(applicants, np.concatenate([one.target, other.target]), "")


def test_the_default_data_hold_out_2000_rows_and_67_defaults(dataset: Dataset) -> None:
    held_out = dataset.rows(holdout_mask(dataset, SHARE))
    assert (len(held_out), int(held_out.target.sum())) == (2_000, 67)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_order_of_rows_does_not_matter(dataset: Dataset, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(dataset))
    shuffled = Dataset(dataset.applicants[order], dataset.target[order], "")
    assert (holdout_mask(shuffled, SHARE) == holdout_mask(dataset, SHARE)[order]).all()


def test_no_applicant_is_on_both_sides(dataset: Dataset) -> None:
    held_out = holdout_mask(dataset, SHARE)
    sides = [{row.tobytes() for row in dataset.applicants[mask]} for mask in (held_out, ~held_out)]
    assert not sides[0] & sides[1]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 29), min_size=1, max_size=100))
def test_identical_rows_are_on_the_same_side(seed: int, repeats: list[int]) -> None:
    data = invented(30, seed)
    repeated = Dataset(data.applicants[repeats], data.target[repeats], "")
    mask = holdout_mask(repeated, SHARE)
    for row in set(repeats):
        assert len(set(mask[np.array(repeats) == row].tolist())) == 1


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_share_is_that_of_each_class(share: float) -> None:
    data = invented(1000, seed=0)
    mask = holdout_mask(data, share)
    for label in (0, 1):
        assert int(mask[data.target == label].sum()) == round(share * int((data.target == label).sum()))


def test_a_class_too_small_for_a_whole_row_gives_none() -> None:
    data = Dataset(np.arange(36, dtype=np.float64).reshape(12, 3), np.array([1, 1] + [0] * 10), "")
    assert holdout_mask(data, SHARE)[:2].tolist() == [False, False]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 300), st.integers(0, 300))
def test_added_rows_push_out_no_more_rows_than_they_replace(seed: int, before: int, added: int) -> None:
    rows = invented(before + added, seed)
    old = rows.rows(np.arange(before + added) < before)
    was, now = holdout_mask(old, SHARE), holdout_mask(rows, SHARE)
    for label in (0, 1):
        ours, theirs = old.target == label, rows.target[before:] == label
        left, came = ours & was & ~now[:before], ours & ~was & now[:before]
        assert not (left.any() and came.any())  # nested
        assert left.sum() <= (now[before:] & theirs).sum()


def test_a_tenth_more_rows_keep_nine_tenths_of_the_hold_out(dataset: Dataset) -> None:
    was = holdout_mask(dataset, SHARE)
    now = holdout_mask(joined(dataset, invented(1000, seed=0)), SHARE)[: len(dataset)]
    assert (was & now).sum() >= 0.9 * was.sum()


def test_a_negative_zero_hashes_like_a_zero() -> None:
    assert len(set(row_hashes(np.array([[0.0, 0.0, 1.0], [-0.0, -0.0, 1.0]])).tolist())) == 1


def nan(payload: int, negative: bool) -> float:
    """A NaN with these bits in it."""
    return float(np.uint64((0xFFF8 if negative else 0x7FF8) << 48 | payload).view(np.float64))


def with_gap(bits: tuple[int, bool]) -> Dataset:
    """Twenty applicants, each third of whom has this NaN in the second column."""
    data = invented(20, seed=0)
    data.applicants[::3, 1] = nan(*bits)
    return data


OTHER_NANS = pytest.mark.parametrize("bits", [(0, True), (1, False), (2**50, False), (2**51 - 1, True)])


@OTHER_NANS
def test_a_missing_value_hashes_the_same_whatever_bits_are_in_its_nan(bits: tuple[int, bool]) -> None:
    plain, other = with_gap((0, False)), with_gap(bits)
    assert plain.applicants.tobytes() != other.applicants.tobytes()
    assert row_hashes(plain.applicants).tolist() == row_hashes(other.applicants).tolist()
    assert holdout_mask(plain, SHARE).tolist() == holdout_mask(other, SHARE).tolist()


def test_a_missing_value_is_no_zero_and_its_place_counts() -> None:
    rows = [[np.nan, 0.0, 1.0], [0.0, np.nan, 1.0], [0.0, 0.0, 1.0], [np.nan, np.nan, 1.0]]
    assert len(set(row_hashes(np.array(rows)).tolist())) == 4


def test_identical_rows_with_gaps_are_on_the_same_side() -> None:
    data = with_gap((0, False)).rows(np.repeat(np.arange(20), 3))
    mask = holdout_mask(data, SHARE).reshape(20, 3)
    assert (mask == mask[:, :1]).all()


def test_hashing_does_not_modify_its_input() -> None:
    rows = np.array([[-0.0, 1.0, 2.0]])
    row_hashes(rows)
    assert np.signbit(rows[0, 0])


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda rows: np.repeat(rows, 2, axis=0)[::2]])
def test_a_hash_depends_on_values_not_on_memory_layout(
    layout: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> None:
    rows = invented(20, seed=0).applicants
    assert (row_hashes(layout(rows)) == row_hashes(rows)).all()


def test_hashes_are_spread_evenly(dataset: Dataset) -> None:
    deciles = np.bincount((row_hashes(dataset.applicants) / 2**64 * 10).astype(np.int64), minlength=10)
    assert deciles.tolist() == pytest.approx([1000] * 10, abs=150)  # five standard deviations
