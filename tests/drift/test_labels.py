"""What bins are called."""

import numpy as np

from drift.labels import labels
from loan_default.bins import Bins


def test_the_ends_of_quantile_bins_are_told_as_short_as_tells_them_apart() -> None:
    bins = Bins.of(np.arange(0, 100_000, 10, dtype=np.float64))
    named = labels(bins)
    assert len(named) == len(bins.reference)
    assert (named[0], named[1], named[-2]) == ("up to 9,990", "9,990 – 19,990", "over 89,990")
    near = Bins.of(np.linspace(1000.1, 1000.9, 1_000))
    assert labels(near)[0] == "up to 1,000.18"


def test_values_are_called_by_their_words_and_numbers_stay_numbers() -> None:
    codes = np.repeat([0.0, 1.0, 7.0], 100)
    assert labels(Bins.of(codes, nominal=True), ["no", "yes"]) == ["no", "yes", "7", "rare, unseen, missing"]
    assert labels(Bins.of(codes))[:3] == ["0", "1", "7"]


def test_missing_values_with_a_bin_of_their_own_are_named() -> None:
    some = np.where(np.arange(1_000) % 10, np.arange(1_000.0), np.nan)
    assert labels(Bins.of(some))[-2:] == ["missing", "rare or unseen"]


def test_shares_are_told_in_percent() -> None:
    assert labels(Bins.of(np.linspace(0, 1, 1_001)), percent=True)[1] == "10 – 20 %"


def test_no_two_bins_have_the_same_name_even_when_words_say_so() -> None:
    named = labels(Bins.of(np.repeat([0.0, 1.0], 100), nominal=True), ["missing", "missing"])
    assert len(set(named)) == len(named)


def test_a_constant_has_names_too() -> None:
    assert len(labels(Bins.of(np.ones(100)))) == len(Bins.of(np.ones(100)).reference)
