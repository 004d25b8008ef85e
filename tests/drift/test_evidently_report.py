"""Evidently's PSI over our bins is the textbook's, and ours."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from loan_default.psi import psi

pytestmark = pytest.mark.slow  # importing Evidently takes seconds


def evidently(window: list[int], reference: list[int]) -> float:
    return of_columns({"column": rows(window)}, {"column": rows(reference)})["column"]


def of_columns(window: dict[str, NDArray[np.int64]], reference: dict[str, NDArray[np.int64]]) -> dict[str, float]:
    """Evidently's PSI of each column."""
    from drift.evidently_report import evidently_report

    metrics = evidently_report(window, reference, 0.15).dict()["metrics"]
    return {metric["config"]["column"]: float(metric["value"]) for metric in metrics}


def rows(counts: list[int]) -> NDArray[np.int64]:
    return np.array(counts, dtype=np.int64)


def test_both_equal_the_value_computed_by_hand() -> None:
    # (0.2 − 0.5)·ln(0.2/0.5) + (0.3 − 0.3)·ln(1) + (0.5 − 0.2)·ln(0.5/0.2) = 0.6 · ln 2.5
    by_hand = 0.6 * math.log(2.5)
    window, reference = [200, 300, 500], [5_000, 3_000, 2_000]
    assert psi(rows(window), rows(reference)) == pytest.approx(by_hand, rel=1e-14)
    assert evidently(window, reference) == pytest.approx(by_hand, rel=1e-12)


def test_both_agree_wherever_no_bin_is_empty() -> None:
    generator = np.random.default_rng(3)
    for _ in range(5):
        reference, window = (generator.integers(1, 500, 11).tolist() for _ in range(2))
        assert evidently(window, reference) == pytest.approx(psi(rows(window), rows(reference)), rel=1e-12)


def test_a_bin_that_is_empty_in_both_counts_for_nothing_in_both() -> None:
    assert evidently([30, 0, 70], [50, 0, 50]) == pytest.approx(psi(rows([30, 0, 70]), rows([50, 0, 50])), rel=1e-12)


def test_an_empty_bin_of_a_small_window_is_a_ten_thousandth_for_evidently_and_half_a_row_for_us() -> None:
    window, reference = [50, 50, 0], [450, 450, 100]
    full = 2 * (0.5 - 0.45) * math.log(0.5 / 0.45)
    assert evidently(window, reference) == pytest.approx(full + (0.0001 - 0.1) * math.log(0.0001 / 0.1), rel=1e-6)
    assert psi(rows(window), rows(reference)) == pytest.approx(full + (0.005 - 0.1) * math.log(0.005 / 0.1), rel=1e-6)


def test_columns_may_have_references_of_different_lengths() -> None:
    window = {"a": rows([60, 40]), "PD": rows([30, 70])}
    reference = {"a": rows([4_000, 4_000]), "PD": rows([1_000, 1_000])}
    found = of_columns(window, reference)
    assert found == pytest.approx({name: psi(window[name], reference[name]) for name in window}, rel=1e-12)
