"""The population stability index: its properties, and that it neither sleeps nor cries wolf."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from loan_default.psi import SMALLEST_SHARE, Bins, Drift, critical_psi, drift, psi

THRESHOLD = 0.15
COUNTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=30).filter(
    lambda pairs: all(map(sum, zip(*pairs, strict=True)))
)
VALUES = st.lists(st.sampled_from([0.0, 1.0, np.nan]) | st.floats(-1e30, 1e30), min_size=1, max_size=300).map(np.array)


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


def test_a_feature_without_any_value_or_with_one_alone_has_bins_too() -> None:
    assert Bins.of(np.full(100, np.nan)).reference.tolist() == [100, 0]
    assert Bins.of(np.full(100, 3.0)).reference.tolist() == [100, 0]
    assert compared(Bins.of(np.full(100, 3.0)), np.full(50, 3.0)) == Drift(
        psi=0, critical=critical_psi(np.array([50, 0]), np.array([100, 0]), 1), drifted=False
    )


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


def drawn(kind: str, generator: np.random.Generator, rows: int) -> NDArray[np.float64]:
    """Rows of a quiet population."""
    if kind == "number":
        return generator.lognormal(size=rows)
    if kind == "half zeros":
        return np.where(generator.random(rows) < 0.5, 0.0, generator.normal(size=rows))
    if kind == "yes or no":
        return (generator.random(rows) < 0.03).astype(float)
    return np.minimum(generator.geometric(0.3, rows), 20).astype(float)


@pytest.mark.parametrize("rows", [30, 100, 500, 2_000])
@pytest.mark.parametrize("kind", ["number", "half zeros", "yes or no", "category"])
def test_quiet_windows_rarely_alarm(rows: int, kind: str) -> None:
    """Of 2,000 windows of four comparisons' worth of chance, 1 % may alarm; a quarter of that for one comparison."""
    generator = np.random.default_rng(rows)

    bins = Bins.of(drawn(kind, generator, 8_000), nominal=kind == "category")
    alarms = sum(compared(bins, drawn(kind, generator, rows), tests=4).drifted for _ in range(2_000))
    assert alarms <= 0.01 * 2_000


def test_the_critical_value_holds_what_it_says_on_large_windows() -> None:
    """Chance passes the critical value of one comparison in about 1 % of windows: neither far more nor far less."""
    generator = np.random.default_rng(8)
    passed = 0
    for _ in range(1_000):
        bins = Bins.of(generator.normal(size=4_000))
        found = drift(bins.count(generator.normal(size=4_000)), bins.reference, 0.0, 1)
        passed += found.drifted
    assert 1 <= passed <= 25
