"""An applicant as a row of numbers, tables of them, and numbers as a person reads them."""

import json
from typing import Any

import numpy as np
import pytest
from declarations import ENCODER, MIXED, MODEL, mixed_applicants, one
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_default.features import Features
from loan_default.schema.applicant import Encoder


def test_values_become_numbers_in_the_order_of_the_declaration() -> None:
    sent = {
        "job": "c",
        "home": "b",
        "married": True,
        "owner": False,
        "children": 3,
        "years": -1,
        "debt": 2,
        "income": 1,
    }
    assert ENCODER.row(MODEL.model_validate(sent)) == [1.0, 2.0, -1.0, 3.0, 0.0, 1.0, 1.0, 2.0]


@settings(deadline=None)
@given(st.lists(mixed_applicants(), min_size=1, max_size=5))
def test_a_row_and_a_table_have_the_same_numbers(sent: list[dict[str, Any]]) -> None:
    rows = np.array([ENCODER.row(MODEL.model_validate(values)) for values in sent])
    table = ENCODER.table([[values.get(name) for values in sent] for name in MIXED.column_names])
    assert table.dtype == np.float64
    assert table.tobytes() == rows.tobytes()


@settings(deadline=None)
@given(mixed_applicants())
def test_json_and_objects_become_the_same_row(sent: dict[str, Any]) -> None:
    validated = MODEL.model_validate(sent)
    assert repr(ENCODER.row(MODEL.model_validate_json(json.dumps(sent)))) == repr(ENCODER.row(validated))


@settings(deadline=None)
@given(mixed_applicants())
def test_what_was_sent_is_shown(sent: dict[str, Any]) -> None:
    (features,) = Features(MIXED).values(np.array([ENCODER.row(MODEL.model_validate(sent))]))
    shown = ENCODER.shown(features.tolist())
    assert {name: shown[name] for name in MIXED.column_names} == dict.fromkeys(MIXED.column_names) | sent
    assert all(type(shown[name]) is type(value) for name, value in sent.items())


@settings(deadline=None)
@given(mixed_applicants())
def test_a_derived_feature_is_shown_where_it_could_be_computed(sent: dict[str, Any]) -> None:
    (features,) = Features(MIXED).values(np.array([ENCODER.row(MODEL.model_validate(sent))]))
    share = ENCODER.shown(features.tolist())["share"]
    income = sent.get("income")
    assert share == (None if income is None else sent["debt"] / income)


def test_an_unknown_category_is_shown_as_missing() -> None:
    shown = ENCODER.shown([*ENCODER.row(MODEL.model_validate(MIXED.example | {"job": "d"})), 1.0])
    assert shown["job"] is None
    assert shown["home"] == "a"


def test_features_are_shown_by_name_in_order() -> None:
    assert list(ENCODER.shown([1.0] * 9)) == MIXED.feature_names


@pytest.mark.parametrize("count", [0, 8, 10])
def test_as_many_features_are_shown_as_there_are(count: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        ENCODER.shown([1.0] * count)


@pytest.mark.parametrize("known", [["a", "b"], ["a", None], [None, float("nan")], []])
def test_a_table_takes_known_and_missing_categories(known: list[Any]) -> None:
    codes = {"a": 0.0, "b": 1.0}
    expected = np.array([[codes.get(value, np.nan)] for value in known]).reshape(-1, 1)
    np.testing.assert_array_equal(Encoder(one("category", may_be_missing=True)).table([known]), expected)


@pytest.mark.parametrize("value", ["d", "", "A", 1, True])
def test_a_table_with_a_refused_category_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^x: .* must be one of 'a', 'b', 'c'$"):
        Encoder(one("category")).table([["a", value, "b"]])


def test_a_table_with_a_category_never_seen_is_refused() -> None:
    with pytest.raises(ValueError, match="x: 'b' must be one of 'a', 'c'"):
        Encoder(one("category", never_seen=["b"])).table([["a", "b"]])


def test_a_table_has_nan_for_unknown_categories_that_are_not_refused() -> None:
    table = Encoder(one("category", unknown="missing", never_seen=["b"], may_be_missing=True)).table(
        [["a", "b", "d", None]]
    )
    np.testing.assert_array_equal(table, [[0.0], [np.nan], [np.nan], [np.nan]])


@pytest.mark.parametrize(
    ("kind", "values"), [("number", [1.0, None]), ("category", ["a", None]), ("boolean", [True, None])]
)
def test_a_table_has_no_gap_where_there_must_be_none(kind: str, values: list[object]) -> None:
    with pytest.raises(ValueError, match="a value is missing"):
        Encoder(one(kind)).table([values])


def test_a_table_has_one_sequence_for_each_column() -> None:
    with pytest.raises(ValueError, match="zip"):
        ENCODER.table([[1.0]])


def test_a_table_without_rows_has_all_its_columns() -> None:
    assert ENCODER.table([[]] * 8).shape == (0, 8)
