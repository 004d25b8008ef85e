"""Rows against the declaration: what the API takes is taken, what it refuses is refused, from text and from types."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from declarations import ENCODER, MIXED, MODEL, ignore, mixed_applicants, one
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loan_default.bulk.check import Checked, Checker
from loan_default.schema import Schema
from loan_default.schema.applicant import Encoder, applicant_model
from loan_default.schema.declaration import CsvFormat

LIMITED: dict[str, Any] = {"minimum": 0, "exclusive_maximum": 10}


def check(schema: Schema, values: list[Any] | pa.Array, written: CsvFormat | None = None) -> Checked:
    """Check the one column of a declaration."""
    table = pa.table({"X": values})
    return Checker(schema, {"x": "X"}, written or CsvFormat()).check(table, np.arange(1, len(values) + 1))


def numbers(schema: Schema, values: list[Any] | pa.Array, written: CsvFormat | None = None) -> list[float | None]:
    """The number that each value becomes, NaN for a missing one; None where it is refused."""
    checked = check(schema, values, written)
    found: list[float | None] = [None] * len(values)
    for number, value in zip(checked.numbers.tolist(), checked.applicants[:, 0].tolist(), strict=True):
        found[number - 1] = value
    return found


def same(a: list[float | None], b: list[float | None]) -> bool:
    """Equal, gaps included."""
    return list(map(repr, map(_float, a))) == list(map(repr, map(_float, b)))


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


GAP = float("nan")


@pytest.mark.parametrize(
    ("kind", "declared", "texts", "expected"),
    [
        ("number", {}, ["1", " 2.5\t", "+3", "-4e2", ".5", "6."], [1, 2.5, 3, -400, 0.5, 6]),
        ("number", {}, ["nan", "inf", "1e999", "0x10", "1,5", "1_000", "a", "1 2", "--1", "٣", ""], [None] * 11),
        ("number", {"may_be_missing": True}, ["", "  ", "NA", "n/a", "1"], [GAP, GAP, GAP, None, 1]),
        ("number", LIMITED, ["0", "-0.001", "9.999", "10", "1e-300"], [0, None, 9.999, None, 1e-300]),
        ("integer", {}, ["1", "1.0", "1.5", "9007199254740992", "1e16", "-1e17"], [1, 1, None, 2.0**53, None, None]),
        ("integer", {"minimum": -(2**60)}, ["-1e17", "1e17"], [-1e17, None]),
        ("boolean", {}, ["true", "NO", " y ", "1.0", "0", "f", "2", ""], [1, 0, 1, 1, 0, 0, None, None]),
        ("boolean", {"may_be_missing": True}, ["", "maybe"], [GAP, None]),
        ("category", {}, ["a", " c ", "A", "d", ""], [0, 2, None, None, None]),
        ("category", {"may_be_missing": True, "unknown": "missing"}, ["b", "d", "", "NA"], [1, GAP, GAP, GAP]),
        ("category", {"unknown": "missing"}, ["d", ""], [GAP, None]),
        ("category", {"never_seen": ["b"]}, ["a", "b"], [0, None]),
    ],
)
def test_text_is_read_as_the_declaration_says(
    kind: str, declared: dict[str, Any], texts: list[str], expected: list[float | None]
) -> None:
    written = CsvFormat(missing_values=("NA",))
    assert same(numbers(one(kind, **declared), texts, written), expected)
    # A column is read the same alone and among others, which may make it worth a closer look.
    assert same([numbers(one(kind, **declared), [text], written)[0] for text in texts], expected)
    for of in (pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        assert same(numbers(one(kind, **declared), pa.array(texts, of), written), expected)


@pytest.mark.parametrize(
    ("kind", "declared", "values", "expected"),
    [
        ("number", {}, pa.array([1, None, -3], pa.int16()), [1, None, -3]),
        ("number", {}, pa.array([1.5, float("nan"), float("inf"), None]), [1.5, None, None, None]),
        ("number", {"may_be_missing": True}, pa.array([1.5, float("nan"), None]), [1.5, None, GAP]),
        ("number", {}, pa.array([1, 2], pa.decimal128(9, 2)), [1, 2]),
        ("integer", {}, pa.array([1.0, 1.5, 2.0**53, 2.0**60]), [1, None, 2**53, None]),
        ("integer", LIMITED, pa.array([-1, 0, 10], pa.int64()), [None, 0, None]),
        ("boolean", {}, pa.array([True, False, None]), [1, 0, None]),
        ("boolean", {}, pa.array([1, 0, 2], pa.uint8()), [1, 0, None]),
        ("category", {}, pa.array(["a", None, "z"]), [0, None, None]),
        ("category", {"categories": ["1", "2"], "example": "1"}, pa.array([2, 3], pa.int32()), [1, None]),
        ("number", {"may_be_missing": True}, pa.nulls(2), [GAP, GAP]),
        ("number", {}, pa.nulls(2), [None, None]),
    ],
)
def test_types_of_parquet_are_read_as_the_declaration_says(
    kind: str, declared: dict[str, Any], values: pa.Array, expected: list[float | None]
) -> None:
    assert same(numbers(one(kind, **declared), values), expected)


def test_a_decimal_comma_is_one_and_a_point_is_none() -> None:
    written = CsvFormat(separator=";", decimal=",")
    assert numbers(one("number"), ["1,5", "2", "1.234", "1.234,5", "1,5,5", "-0,5"], written) == [
        1.5, 2.0, None, None, None, -0.5,
    ]  # fmt: skip


def accepted(schema: Schema, value: Any) -> float | None:
    """What the API makes of the same value."""
    try:
        applicant = applicant_model(schema, ignore).model_validate({"x": value})
    except ValidationError:
        return None
    return Encoder(schema).row(applicant)[0]


@given(
    st.sampled_from(["number", "integer"]),
    st.sampled_from([{}, LIMITED, {"exclusive_minimum": -3, "may_be_missing": True}, {"maximum": 6}]),
    st.lists(st.floats() | st.integers(-4, 12).map(float) | st.integers(-(2**54), 2**54).map(float), min_size=1),
)
def test_numbers_are_refused_exactly_where_the_api_refuses_them(
    kind: str, declared: dict[str, Any], values: list[float]
) -> None:
    schema = one(kind, **declared)
    # Files know no difference between 1 and 1.0.
    asked = [int(v) if kind == "integer" and np.isfinite(v) and v == int(v) else v for v in values]
    expected = [accepted(schema, value) for value in asked]
    assert numbers(schema, [repr(value) for value in values]) == expected
    assert numbers(schema, pa.array(values, pa.float64())) == expected


@given(st.lists(mixed_applicants(), min_size=1, max_size=5))
def test_whole_applicants_become_the_rows_of_the_api(applicants: list[dict[str, Any]]) -> None:
    names = MIXED.column_names
    columns = {name: ["" if row.get(name) is None else str(row[name]) for row in applicants] for name in names}
    checked = Checker(MIXED, {name: name for name in names}, CsvFormat()).check(pa.table(columns), np.arange(1, 6))
    expected = np.array([ENCODER.row(MODEL.model_validate(row)) for row in applicants])
    assert np.array_equal(checked.applicants, expected, equal_nan=True)
    assert checked.rejected == 0


def test_each_problem_of_a_row_is_told_and_counted() -> None:
    table = pa.table({"x": ["1", "y" * 200, ""], "z": ["1", "2", "3"]})
    checked = Checker(one("number"), {"x": "x"}, CsvFormat()).check(table, np.array([5, 7, 8]))
    assert [tuple(reject) for reject in checked.rejects] == [
        (7, "", "x", "y" * 100, "must be a number"),
        (8, "", "x", "", "must be a number"),
    ]
    assert (checked.rejected, checked.problems) == (2, {"x: must be a number": 2})
    assert (checked.numbers.tolist(), checked.table["z"].to_pylist()) == ([5], ["1"])


def test_every_row_may_be_wrong() -> None:
    checked = check(one("number"), ["x"] * 10_000)
    assert [reject.row for reject in checked.rejects] == list(range(1, 10_001))
    assert checked.rejected == 10_000


def test_unknown_categories_are_counted_in_the_rows_that_are_scored() -> None:
    checked = check(one("category", unknown="missing"), ["a", "d", "e", "", "b"])
    assert (checked.unknown, checked.rejected) == ({"x": 2}, 1)


def test_a_column_that_lacks_is_missing_everywhere() -> None:
    schema = one("number", may_be_missing=True)
    checked = Checker(schema, {}, CsvFormat()).check(pa.table({"y": ["1", "2"]}), np.array([1, 2]))
    assert np.isnan(checked.applicants).all()
