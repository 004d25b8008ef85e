"""Where the bars of a column's picture are."""

import numpy as np
import pytest

from drift.page.bars import draw_bars


def test_the_longest_bar_is_that_of_the_largest_share_and_the_others_are_in_proportion() -> None:
    drawn = draw_bars(np.array([10, 30]), np.array([800, 200]), ["a", "b"])
    first, second = drawn.bars
    assert (first.window, first.reference, second.window) == (0.25, 0.8, 0.75)
    assert first.reference_length > second.window_length > first.window_length
    assert first.window_length / first.reference_length == pytest.approx(0.25 / 0.8, abs=0.01)
    assert drawn.left + first.reference_length < drawn.width


def test_bins_that_are_empty_in_both_are_left_out() -> None:
    drawn = draw_bars(np.array([1, 0, 0]), np.array([1, 0, 2]), ["a", "b", "c"])
    assert [bar.label for bar in drawn.bars] == ["a", "c"]
    assert drawn.height > drawn.bars[-1].y


def test_a_long_name_is_cut_in_the_picture_only() -> None:
    [bar] = draw_bars(np.array([1]), np.array([1]), ["x" * 80]).bars
    assert len(bar.short) < 30
    assert bar.label == "x" * 80
