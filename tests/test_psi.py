"""The population stability index: its properties, and that it neither sleeps nor cries wolf."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from loan_default.bins import Bins
from loan_default.psi import SMALLEST_SHARE, Drift, critical_psi, drift, psi

THRESHOLD = 0.15
KINDS = ("number", "half zeros", "yes or no", "category")
COUNTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=30).filter(
    lambda pairs: all(map(sum, zip(*pairs, strict=True)))
)


def compared(bins: Bins, values: NDArray[np.float64], tests: int = 1) -> Drift:
    return drift(bins.count(values), bins.reference, THRESHOLD, tests)


def arrays(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    columns = np.array(pairs)
    return columns[:, 0], columns[:, 1]


@given(COUNTS)
def test_it_is_never_negative_and_the_order_of_the_two_does_not_matter(pairs: list[tuple[int, int]]) -> None:
    a, b = arrays(pairs)
    assert psi(a, b) >= 0
    assert psi(a, b) == pytest.approx(psi(b, a))


@given(COUNTS, st.integers(1, 50))
def test_equal_shares_give_zero_however_many_rows(pairs: list[tuple[int, int]], times: int) -> None:
    a, _ = arrays(pairs)
    assert psi(a * times, a) == pytest.approx(0, abs=1e-12)


@given(COUNTS, st.integers(0, 2**32))
def test_the_order_of_the_bins_does_not_matter(pairs: list[tuple[int, int]], seed: int) -> None:
    a, b = arrays(pairs)
    order = np.random.default_rng(seed).permutation(len(a))
    assert psi(a[order], b[order]) == pytest.approx(psi(a, b))


def test_a_share_that_moves_is_the_textbooks_sum() -> None:
    by_hand = (0.4 - 0.7) * np.log(0.4 / 0.7) + (0.6 - 0.3) * np.log(0.6 / 0.3)
    assert psi(np.array([400, 600]), np.array([7000, 3000])) == pytest.approx(by_hand)


def test_an_empty_bin_counts_as_the_smallest_share() -> None:
    by_hand = (0.5 - SMALLEST_SHARE) * np.log(0.5 / SMALLEST_SHARE) + (1 - 0.5) * np.log(1 / 0.5)
    assert psi(np.array([50, 50]), np.array([0, 10_000])) == pytest.approx(by_hand)


def test_in_a_small_window_an_empty_bin_counts_as_half_a_row() -> None:
    by_hand = (0.5 - 0.005) * np.log(0.5 / 0.005) + (1 - 0.5) * np.log(1 / 0.5)
    assert psi(np.array([0, 100]), np.array([5_000, 5_000])) == pytest.approx(by_hand)


@pytest.mark.parametrize("scale", [-3.0, 0.01, 1e6])
def test_the_unit_of_a_number_does_not_matter(scale: float) -> None:
    generator = np.random.default_rng(1)
    reference, values = generator.normal(size=10_000), generator.normal(0.5, size=2_000)
    one = compared(Bins.of(reference), values).psi
    assert compared(Bins.of(reference * scale), values * scale).psi == pytest.approx(one, rel=0.02)


def test_a_shift_of_two_standard_deviations_is_seen_in_spite_of_an_outlier() -> None:
    generator = np.random.default_rng(2)
    values = generator.normal(2, size=1_000)
    values[0] = 1e6
    found = compared(Bins.of(generator.normal(size=10_000)), values)
    assert found.drifted
    assert found.psi > 2


def test_missing_values_are_seen_where_the_reference_has_none() -> None:
    generator = np.random.default_rng(3)
    values = generator.normal(size=1_000)
    values[::10] = np.nan
    assert compared(Bins.of(generator.normal(size=10_000)), values).psi > 0.5


def test_a_yes_or_no_that_moves_from_70_to_40_percent_is_seen() -> None:
    generator = np.random.default_rng(4)
    found = compared(
        Bins.of((generator.random(10_000) < 0.7).astype(float)), (generator.random(500) < 0.4).astype(float)
    )
    assert found.drifted
    assert found.psi == pytest.approx(0.376, abs=0.1)


def test_a_feature_without_any_value_or_with_one_alone_has_bins_too() -> None:
    assert Bins.of(np.full(100, np.nan)).reference.tolist() == [100, 0]
    assert Bins.of(np.full(100, 3.0)).reference.tolist() == [100, 0]
    assert compared(Bins.of(np.full(100, 3.0)), np.full(50, 3.0)) == Drift(
        psi=0, critical=critical_psi(np.array([50, 0]), np.array([100, 0]), 1), drifted=False
    )


def drawn(kind: str, generator: np.random.Generator, rows: int) -> NDArray[np.float64]:
    """Rows of a quiet population."""
    if kind == "number":
        return generator.lognormal(size=rows)
    if kind == "half zeros":
        return np.where(generator.random(rows) < 0.5, 0.0, generator.normal(size=rows))
    if kind == "yes or no":
        return (generator.random(rows) < 0.03).astype(float)
    return np.minimum(generator.geometric(0.3, rows), 20).astype(float)


@pytest.mark.parametrize(("rows", "at_most"), [(50, 0.04), (100, 0.04), (200, 0.01), (1_000, 0.01)])
def test_quiet_windows_rarely_alarm(rows: int, at_most: float) -> None:
    """Below 200 rows the distribution is not yet χ², so chance gets a little more than its 1 %."""
    generator = np.random.default_rng(rows)
    bins = {kind: Bins.of(drawn(kind, generator, 8_000), nominal=kind == "category") for kind in KINDS}
    alarms = 0
    for _ in range(1_000):
        found = [compared(bins[kind], drawn(kind, generator, rows), tests=len(KINDS)) for kind in KINDS]
        alarms += any(each.drifted for each in found)
    assert alarms <= at_most * 1_000


def test_the_critical_value_holds_what_it_says_on_large_windows() -> None:
    """Chance passes the critical value of one comparison in about 1 % of windows: neither far more nor far less."""
    generator = np.random.default_rng(8)
    passed = 0
    for _ in range(1_000):
        bins = Bins.of(generator.normal(size=4_000))
        found = drift(bins.count(generator.normal(size=4_000)), bins.reference, 0.0, 1)
        passed += found.drifted
    assert 1 <= passed <= 25
