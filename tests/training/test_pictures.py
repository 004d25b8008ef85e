"""Pictures: the same bytes each time, whatever the data are; and the Wilson interval they show."""

import math
import struct
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray

from loan_default.training.evaluate import Predictions, wilson
from loan_default.training.pictures import Contributed, Subject, draw
from loan_default.training.pictures.contributions import _beside_one_another, _ranks
from loan_default.training.slices import Slice

PICTURES = {
    "confusion_matrix.png",
    "roc.png",
    "precision_recall.png",
    "reliability.png",
    "score_distribution.png",
    "threshold.png",
    "importance.png",
    "contributions.png",
}
THRESHOLD = 0.2


def predictions(pd: NDArray[np.float64], seed: int = 0) -> Predictions:
    """What would come of such PDs if they were right; the first applicant defaults, the last does not."""
    target = (np.random.default_rng(seed).random(len(pd)) < pd).astype(np.int64)
    target[0], target[-1] = 1, 0
    return Predictions(pd, pd >= THRESHOLD, target)


def spread(rows: int, seed: int = 0) -> NDArray[np.float64]:
    return np.asarray(np.random.default_rng(seed).beta(0.3, 4, rows))


def contributed(names: list[str], rows: int = 200, **categories: list[str]) -> Contributed:
    """Contributions that grow with the value; of categories with their code."""
    generator = np.random.default_rng(3)
    values = generator.gamma(2, 1, (rows, len(names)))
    for name, labels in categories.items():
        values[:, names.index(name)] = generator.integers(len(labels), size=rows)
    return Contributed(names, categories, values, values - values.mean(axis=0))


def subject_of(pd: NDArray[np.float64]) -> Subject:
    found = predictions(pd)
    return Subject(
        out_of_fold=found,
        baseline=found,
        without_smote=None,
        holdout=predictions(spread(200, seed=1)),
        threshold=THRESHOLD,
        medium_from=THRESHOLD / 2,
        importance={"debt": 1.5, "income": 0.25},
        contributed=contributed(["debt", "income"]),
        slices=[],
    )


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A thousand applicants without audit columns."""
    return subject_of(spread(1000))


@pytest.fixture(scope="module")
def drawn(subject: Subject) -> dict[str, bytes]:
    return draw(subject)


def size(png: bytes) -> tuple[int, int]:
    """Width and height of a complete PNG file."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_without_slices_there_is_every_picture_but_theirs(drawn: dict[str, bytes]) -> None:
    assert set(drawn) == PICTURES


def test_every_picture_is_a_png_to_be_read_at_700_pixels(drawn: dict[str, bytes]) -> None:
    for name, png in drawn.items():
        width, height = size(png)
        assert width == 1120, name
        assert 300 <= height <= 1000, name
        assert 5_000 < len(png) < 300_000, name


def test_the_same_subject_gives_the_same_bytes_and_is_left_as_it_was(subject: Subject, drawn: dict[str, bytes]) -> None:
    before = subject.out_of_fold.pd.copy()
    assert draw(subject) == drawn
    assert np.array_equal(subject.out_of_fold.pd, before)


def test_no_version_is_written_into_the_files(drawn: dict[str, bytes]) -> None:
    assert not any(b"Software" in png or b"matplotlib" in png for png in drawn.values())


def test_a_readers_own_matplotlib_settings_change_nothing_and_stay(subject: Subject, drawn: dict[str, bytes]) -> None:
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert draw(subject)["roc.png"] == drawn["roc.png"]
        assert (mpl.rcParams["font.size"], mpl.rcParams["axes.facecolor"]) == (30, "red")


def test_one_slice_and_one_column_without_effect_are_enough(subject: Subject) -> None:
    small = replace(subject, slices=[Slice("age", "under 25", 12, 3, 0.2, 0.5)], importance={"debt": 0.0})
    flat = Contributed(["debt"], {}, np.zeros((1, 1)), np.zeros((1, 1)))
    small = replace(small, contributed=flat)
    drawn = draw(small)
    assert set(drawn) == PICTURES | {"slices.png"}
    assert all(size(png)[0] == 1120 and size(png)[1] >= 250 for png in drawn.values())


def test_many_groups_and_columns_of_any_name_are_drawn_and_change_no_other_picture(
    subject: Subject, drawn: dict[str, bytes]
) -> None:
    names = ["$1 to $2_000", "under\n25|<script>", "\\frac{", "x" * 500, "会社員", *(f"town {i}" for i in range(16))]
    many = replace(
        subject,
        slices=[Slice(column, name, 12, 1, 0.2, 1.0) for column in ("age", "town") for name in names],
        importance={f"column_{i}": i / 10 for i in range(100)},
        contributed=contributed([f"column_{i}" for i in range(100)], column_7=names),
        without_smote=predictions(spread(1000, seed=2)),
    )
    found = draw(many)
    assert 1000 < size(found["slices.png"])[1] < 3000
    assert 1000 < size(found["importance.png"])[1] < 1600
    changed = {name for name in PICTURES if found[name] != drawn[name]}
    assert changed == {"roc.png", "precision_recall.png", "importance.png", "contributions.png"}


def test_categories_and_missing_values_have_signs_of_their_own(subject: Subject, drawn: dict[str, bytes]) -> None:
    """Each frequent category has a row, the rare ones share one, and so have those without any."""
    homes = ["owner", "rent", "parents", "other", "friends", "hotel", "boat", "tent"]
    of = contributed(["debt", "home"], home=homes)
    categories = replace(subject, importance={"debt": 1.0, "home": 2.0}, contributed=of)
    gaps = replace(of, values=np.where(np.arange(200)[:, None] % 10 == 0, np.nan, of.values))
    all_missing = replace(of, values=np.full_like(of.values, np.nan))
    heights = [
        size(draw(replace(categories, contributed=each))["contributions.png"])[1] for each in (of, gaps, all_missing)
    ]
    row = (heights[1] - heights[0]) / 1  # those without a home
    assert 50 < row < 90
    assert heights[0] - size(drawn["contributions.png"])[1] >= 6 * row  # 6 homes and the others, instead of income
    assert heights[2] < heights[0]


def test_dots_in_one_place_do_not_hide_one_another_and_stay_in_their_row() -> None:
    x = np.array([1.0, 0.0, 1.0, 1.0, -3.0])
    moved = _beside_one_another(x, span=4.0)
    assert sorted({(a, b) for a, b in zip(x, moved, strict=True)}) == sorted(zip(x, moved, strict=True))
    assert (moved[1], moved[4]) == (0, 0)
    crowd = _beside_one_another(np.zeros(100_000), span=1.0)
    assert len(set(crowd)) == 100_000
    assert np.abs(crowd).max() <= 0.42


def test_colours_go_from_the_lowest_value_to_the_highest_and_equal_values_have_one() -> None:
    assert _ranks(np.array([5.0, 1.0, 1e9, 5.0])).tolist() == [0.5, 0.0, 1.0, 0.5]
    assert _ranks(np.array([0.0, 1.0, 1.0, 1.0])).tolist() == [0, 1, 1, 1]
    assert _ranks(np.full(3, 7.0)).tolist() == [0.5] * 3
    assert _ranks(np.array([])).tolist() == []


@pytest.mark.parametrize(
    "pd",
    [
        spread(30),
        np.full(1000, 0.3),
        np.full(1000, 0.01),  # nobody is declined, so precision is undefined
        np.zeros(1000),
        np.where(np.arange(1000) % 2 == 0, 0.0, 1.0),
    ],
    ids=["30 rows", "all equal", "none declined", "all 0", "0 and 1"],
)
def test_unusual_pds_are_drawn_too(pd: NDArray[np.float64]) -> None:
    assert set(draw(subject_of(pd))) == PICTURES


@pytest.mark.parametrize(("count", "of"), [(0, 10), (1, 10), (5, 10), (10, 10), (1, 1), (17, 800), (333, 10_000)])
def test_at_the_ends_of_the_wilson_interval_the_count_is_just_not_surprising(count: int, of: int) -> None:
    """An end is a share under which the count lies 1.96 standard deviations away."""
    for end in wilson(count, of):
        if end not in {0.0, 1.0}:
            assert abs(count / of - end) / math.sqrt(end * (1 - end) / of) == pytest.approx(1.959964)


def test_the_wilson_interval_of_known_counts() -> None:
    """As in table I of Newcombe, Statistics in Medicine 17:857, 1998."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_the_wilson_interval_ends_exactly_at_0_and_1() -> None:
    assert wilson(0, 800)[0] == 0.0
    assert wilson(800, 800)[1] == 1.0
