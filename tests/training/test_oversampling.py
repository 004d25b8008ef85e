"""SMOTE for real columns: synthetic applicants are valid, gaps stay gaps, and real rows are not touched."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
from numpy.typing import NDArray

from loan_default.schema import Schema
from loan_default.schema.columns import CategoryColumn, NumberColumn
from loan_default.training.oversampling import NEIGHBOURS, oversample

Floats = NDArray[np.float64]

NAN = float("nan")
ROWS = 240


def amount(name: str = "amount", **declared: Any) -> dict[str, Any]:
    return {"name": name, "type": "number", "unit": "$", "example": 5, **declared}


def whole(name: str = "whole", **declared: Any) -> dict[str, Any]:
    return amount(name, type="integer", **declared)


def zero_or_one(name: str = "employed", **declared: Any) -> dict[str, Any]:
    return whole(name, minimum=0, maximum=1, **{"example": 1, **declared})


def flag(name: str = "flag", **declared: Any) -> dict[str, Any]:
    return {"name": name, "type": "boolean", "example": True, **declared}


def choice(name: str = "choice", count: int = 4, **declared: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "category",
        "categories": [f"c{i}" for i in range(count)],
        "example": "c0",
        **declared,
    }


def own(*columns: dict[str, Any], gaps: bool = True) -> Schema:
    """A declaration of these columns, all of which may be missing where `gaps`."""
    rest = {"description": "X.", "risk_reason": "None.", "may_be_missing": gaps}
    target = {"header": "Bad", "positive": 1, "negative": 0, "description": "Bad."}
    full = [{"header": column["name"], **rest, **column} for column in columns]
    return Schema.model_validate({"name": "own", "columns": full, "target": target})


def outcomes(rows: int = ROWS) -> NDArray[np.int64]:
    """One row in eight defaults."""
    return np.where(np.arange(rows) % 8 == 0, 1, 0)


def applicants(schema: Schema, seed: int = 0, rows: int = ROWS, missing: float = 0.0) -> Floats:
    """Random applicants of a declaration, each value missing with this probability."""
    generator = np.random.default_rng(seed)
    values = np.empty((rows, len(schema.columns)))
    for i, column in enumerate(schema.columns):
        if isinstance(column, CategoryColumn):
            values[:, i] = generator.integers(0, len(column.categories), rows)
        elif isinstance(column, NumberColumn) and column.type == "number":
            values[:, i] = generator.lognormal(3, 1, rows)
        elif isinstance(column, NumberColumn) and not column.nominal:
            values[:, i] = generator.integers(1, 8, rows)
        else:
            values[:, i] = generator.integers(0, 2, rows)
    values[generator.random(values.shape) < missing] = NAN
    return values


def synthetic(schema: Schema, rows: Floats, ratio: float = 0.5, seed: int = 0) -> Floats:
    """The rows that oversampling adds."""
    added, _ = oversample(rows, outcomes(len(rows)), schema=schema, ratio=ratio, seed=seed)
    return added[len(rows) :]


def check_valid(schema: Schema, rows: Floats) -> None:
    """Each value is one that its column allows, or missing where it may be."""
    for column, values in zip(schema.columns, rows.T, strict=True):
        present = values[~np.isnan(values)]
        assert column.may_be_missing or len(present) == len(values), column.name
        if isinstance(column, NumberColumn):
            assert column.type == "number" or (present == np.round(present)).all(), column.name
            assert all(holds(present, bound).all() for _, holds, bound in column.limits), column.name
        else:
            codes = column.codes.values() if isinstance(column, CategoryColumn) else (0, 1)
            assert set(present) <= set(codes), column.name


AMOUNTS = (amount("a"), amount("b"), whole())
ONE_CHOICE = (amount("a"), choice(), amount("b"))
MIXED = (amount("a"), choice("c"), whole(), flag(), zero_or_one(), amount("b"))
CHOICES = (choice("c"), flag(), zero_or_one())
EACH_KIND = pytest.mark.parametrize(
    "columns",
    [
        pytest.param(AMOUNTS, id="amounts"),
        pytest.param(ONE_CHOICE, id="one choice"),
        pytest.param(MIXED, id="mixed"),
        pytest.param(CHOICES, id="choices"),
    ],
)
EACH_KIND_WITH_GAPS = pytest.mark.parametrize(
    "columns",
    [
        pytest.param((amount(), whole()), id="amounts"),
        pytest.param((amount(),), id="one amount"),
        pytest.param(MIXED, id="mixed"),
        pytest.param(CHOICES, id="choices"),
        pytest.param((choice(),), id="one choice"),
    ],
)


@EACH_KIND
def test_real_rows_come_first_and_are_not_touched(columns: tuple[dict[str, Any], ...]) -> None:
    schema = own(*columns)
    rows, target = applicants(schema), outcomes()
    before = rows.tobytes() + target.tobytes()
    added, labels = oversample(rows, target, schema=schema, ratio=0.5, seed=0)
    assert added[:ROWS].tobytes() + labels[:ROWS].tobytes() == before == rows.tobytes() + target.tobytes()


@EACH_KIND_WITH_GAPS
def test_real_rows_with_gaps_are_not_touched_either(columns: tuple[dict[str, Any], ...]) -> None:
    schema = own(*columns)
    rows = applicants(schema, missing=0.2)
    before = rows.tobytes()
    added, _ = oversample(rows, outcomes(), schema=schema, ratio=0.5, seed=0)
    assert added[:ROWS].tobytes() == before == rows.tobytes()


@EACH_KIND
@pytest.mark.parametrize("ratio", [0.2, 0.5, 1.0])
def test_there_are_as_many_defaults_as_asked_for(columns: tuple[dict[str, Any], ...], ratio: float) -> None:
    schema = own(*columns)
    added, labels = oversample(applicants(schema), outcomes(), schema=schema, ratio=ratio, seed=0)
    assert len(added) == len(labels)
    assert int(labels.sum()) == int(ratio * (outcomes() == 0).sum())
    assert (labels[ROWS:] == 1).all()


@EACH_KIND
def test_synthetic_applicants_of_complete_rows_are_valid_and_complete(columns: tuple[dict[str, Any], ...]) -> None:
    schema = own(*columns, gaps=False)
    check_valid(schema, synthetic(schema, applicants(schema), ratio=1.0))


@EACH_KIND_WITH_GAPS
@pytest.mark.parametrize("missing", [0.05, 0.4, 0.9])
def test_synthetic_applicants_of_rows_with_gaps_are_valid(columns: tuple[dict[str, Any], ...], missing: float) -> None:
    schema = own(*columns)
    check_valid(schema, synthetic(schema, applicants(schema, missing=missing), ratio=1.0))


@EACH_KIND_WITH_GAPS
def test_the_same_seed_gives_the_same_rows(columns: tuple[dict[str, Any], ...]) -> None:
    schema = own(*columns)
    rows = applicants(schema, missing=0.2)
    assert synthetic(schema, rows).tobytes() == synthetic(schema, rows).tobytes()


@EACH_KIND
def test_another_seed_gives_other_rows(columns: tuple[dict[str, Any], ...]) -> None:
    schema = own(*columns)
    assert synthetic(schema, applicants(schema)).tobytes() != synthetic(schema, applicants(schema), seed=1).tobytes()


@pytest.mark.parametrize(
    ("columns", "missing", "expected"),
    [
        (AMOUNTS, 0, SMOTE),
        ((amount(),), 0, SMOTE),
        (ONE_CHOICE, 0, SMOTENC),
        (MIXED, 0, SMOTENC),
        ((amount(),), 0.2, SMOTE),
        (CHOICES, 0, SMOTEN),
        (CHOICES, 0.2, SMOTEN),
        ((zero_or_one(),), 0, SMOTEN),
    ],
)
def test_each_kind_of_table_has_its_sampler(
    columns: tuple[dict[str, Any], ...], missing: float, expected: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[type] = []
    for sampler in (SMOTE, SMOTENC, SMOTEN):
        resample = sampler.fit_resample

        def spy(self: Any, *rest: Any, resample: Any = resample) -> Any:
            used.append(type(self))
            assert self.get_params()["k_neighbors"] == NEIGHBOURS
            return resample(self, *rest)

        monkeypatch.setattr(sampler, "fit_resample", spy)
    schema = own(*columns)
    synthetic(schema, applicants(schema, missing=missing))
    assert set(used) == {expected}


@pytest.mark.parametrize(
    "column",
    [
        zero_or_one(),
        whole(minimum=1, maximum=2, example=1),
        pytest.param(
            whole(minimum=-1, maximum=0, example=0),
        ),
    ],
    ids=["0 or 1", "1 or 2", "-1 or 0"],
)
def test_an_integer_with_two_allowed_values_is_never_interpolated(column: dict[str, Any]) -> None:
    schema = own(column, amount())
    rows = applicants(schema)
    rows[:, 0] = column["minimum"] + np.arange(ROWS) // 8 % 2
    assert set(synthetic(schema, rows, ratio=1.0)[:, 0]) == {column["minimum"], column["maximum"]}


@pytest.mark.parametrize("limits", [{"minimum": 0, "exclusive_maximum": 2}, {"exclusive_minimum": -1, "maximum": 1}])
def test_two_values_between_exclusive_limits_are_whole_still(limits: dict[str, Any]) -> None:
    schema = own(whole(**limits, example=1), amount())
    rows = applicants(schema)
    rows[:, 0] = np.arange(ROWS) // 8 % 2
    assert set(synthetic(schema, rows, ratio=1.0)[:, 0]) <= {0, 1}


def test_an_integer_with_more_values_is_interpolated_and_rounded() -> None:
    schema = own(whole(minimum=0, maximum=100), gaps=False)
    rows = np.random.default_rng(0).integers(0, 11, (ROWS, 1)).astype(np.float64) * 10
    drawn = synthetic(schema, rows, ratio=1.0)
    check_valid(schema, drawn)
    assert set(drawn[:, 0]) - set(rows[:, 0])


def test_amounts_lie_between_those_of_real_defaults() -> None:
    schema = own(amount("a"), amount("b"))
    rows = applicants(schema)
    drawn, real = synthetic(schema, rows, ratio=1.0), rows[outcomes() == 1]
    assert (drawn >= real.min(axis=0)).all()
    assert (drawn <= real.max(axis=0)).all()


@pytest.mark.parametrize("others", [(flag("f"),), (amount("x"),), ()], ids=["flag", "amount", "alone"])
def test_only_categories_that_defaults_have_are_drawn(others: tuple[dict[str, Any], ...]) -> None:
    schema = own(choice(), *others)
    rows = applicants(schema)
    rows[:, 0] = np.where(outcomes() == 1, 1 + np.arange(ROWS) // 8 % 2, 3)
    assert set(synthetic(schema, rows, ratio=1.0)[:, 0]) <= {1, 2}


@pytest.mark.parametrize("column", [amount("a"), whole("a"), choice("a")], ids=lambda column: str(column["type"]))
def test_a_gap_that_is_drawn_stays_one_and_what_stood_in_it_is_never_drawn(column: dict[str, Any]) -> None:
    # Defaults of two kinds, far apart: the first have a 3, the second a gap. The median of all is 0.
    second = np.arange(ROWS) // 8 % 2 == 1
    known = np.where(outcomes() == 0, 0.0, np.where(second, NAN, 3.0))
    rows = np.column_stack([known, 1e6 * second + np.random.default_rng(0).random(ROWS)])
    drawn = synthetic(own(column, amount("b")), rows, ratio=1.0)
    assert np.isnan(drawn[drawn[:, 1] > 5e5, 0]).all()
    assert set(drawn[drawn[:, 1] < 5e5, 0]) == {3}
    assert not np.isnan(drawn[:, 1]).any()


def test_no_synthetic_applicant_has_the_median_that_stood_in_a_gap() -> None:
    generator = np.random.default_rng(0)
    schema = own(amount("gappy"), amount("wide"), amount("narrow"))
    rows = np.column_stack([1000 + 10 * generator.random(ROWS), generator.random(ROWS) * 1e6, generator.random(ROWS)])
    rows[generator.random(ROWS) < 0.4, 0] = NAN
    drawn = synthetic(schema, rows, ratio=1.0)
    assert int((drawn[:, 0] == np.nanmedian(rows[:, 0])).sum()) == 0


def test_a_column_that_only_others_lack_is_never_missing_in_a_synthetic_default() -> None:
    schema = own(amount("a"), amount("b"))
    rows = applicants(schema)
    rows[outcomes() == 0, 0] = NAN
    assert not np.isnan(synthetic(schema, rows)).any()


def test_a_column_that_all_defaults_lack_is_missing_in_every_synthetic_one() -> None:
    schema = own(amount("a"), amount("b"))
    rows = applicants(schema)
    rows[outcomes() == 1, 0] = NAN
    assert np.isnan(synthetic(schema, rows)).all(axis=0).tolist() == [True, False]


@pytest.mark.parametrize("all_missing", [amount("x"), whole("x"), flag("x"), choice("x"), zero_or_one("x")])
@pytest.mark.parametrize("beside", [(), (amount("b"),), (choice("c"),)], ids=["alone", "amount", "choice"])
def test_a_column_without_any_value_is_missing_in_every_synthetic_row(
    all_missing: dict[str, Any], beside: tuple[dict[str, Any], ...]
) -> None:
    schema = own(all_missing, *beside)
    rows = applicants(schema)
    rows[:, 0] = NAN
    drawn = synthetic(schema, rows)
    assert np.isnan(drawn[:, 0]).all()
    assert not np.isnan(drawn[:, 1:]).any()


def test_rows_without_any_value_make_more_of_their_like() -> None:
    schema = own(amount())
    assert np.isnan(synthetic(schema, np.full((ROWS, 1), NAN))).all()


@pytest.mark.parametrize("columns", [(amount("a"), amount("b")), (amount("a"), choice("c")), (choice("c"), flag("f"))])
def test_defaults_that_are_all_alike_make_more_of_their_like(columns: tuple[dict[str, Any], ...]) -> None:
    schema = own(*columns)
    rows = applicants(schema)
    rows[outcomes() == 1] = [3, 1]
    assert np.unique(synthetic(schema, rows), axis=0).tolist() == [[3, 1]]


def test_the_fewest_defaults_that_have_neighbours_are_enough() -> None:
    schema = own(amount("a"), choice("c"))
    rows, target = applicants(schema), (np.arange(ROWS) <= NEIGHBOURS).astype(np.int64)
    _, labels = oversample(rows, target, schema=schema, ratio=0.5, seed=0)
    assert labels.sum() == (ROWS - NEIGHBOURS - 1) // 2


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.sampled_from([MIXED, ONE_CHOICE, (amount(),), CHOICES]))
def test_whatever_is_missing_synthetic_applicants_are_valid(
    seed: int, missing: float, columns: tuple[dict[str, Any], ...]
) -> None:
    schema = own(*columns)
    rows = applicants(schema, seed, rows=64, missing=missing)
    check_valid(schema, synthetic(schema, rows, ratio=1.0, seed=seed))


@pytest.mark.parametrize("pattern", range(2**3))
def test_gaps_in_every_combination_of_columns_are_fine(pattern: int) -> None:
    schema = own(amount("a"), choice("c"), whole())
    rows = applicants(schema)
    gappy = [bool(pattern >> i & 1) for i in range(3)]
    rows[np.ix_(np.arange(ROWS) % 3 == 0, gappy)] = NAN
    drawn = synthetic(schema, rows, ratio=1.0)
    check_valid(schema, drawn)
    assert not np.isnan(drawn[:, [not gap for gap in gappy]]).any()
