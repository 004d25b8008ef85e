"""A list in a JSON body: each applicant comes out in one line, as it was written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.api.bulk.listed import MOST_LISTED, rows_of
from loan_default.errors import MalformedBody

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, min_size=1, max_size=8), st.sampled_from([None, 2]))
def test_rows_come_out_as_they_went_in_each_in_one_line(rows: list[Any], indent: int | None) -> None:
    body = json.dumps({"predictions": rows}, indent=indent).encode()
    found, given_options = rows_of(body, "predictions", ())
    assert [json.loads(row) for row in found] == rows
    assert not any(b"\n" in row or b"\r" in row for row in found)
    assert given_options == {}


def test_options_stand_beside_the_list() -> None:
    assert rows_of(b'{"reasons": true, "applications": [1]}', "applications", ("reasons",)) == (
        [b"1"],
        {"reasons": True},
    )


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "must be JSON"),
        (b"[1]", "Expected `object`"),
        (b'{"predictions": {}}', "Expected `array`"),
        (b'{"predictions": []}', "length >= 1"),
        (b'{"predictions": [' + b"1," * MOST_LISTED + b"1]}", "length <= 100000"),
        (b'{"predictions": [NaN]}', "must be JSON"),
        (b'{"predictions": ["a\nb"]}', "must be JSON"),
        (b'{"predictions": [1], "more": 1}', "`more` is no field of this call; it has predictions"),
        (b'{"more": 1}', "`more` is no field"),
        (b"{}", "`predictions` is missing"),
        (b'{"predictions": [1], "predictions": [2]}', "given more than once"),
        (b'{"predictions": [1], "predictions": [{"a": 1}]}', "given more than once"),
        (b'{"predictions": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_another_body_is_refused_with_what_would_be_right(body: bytes, complaint: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        rows_of(body, "predictions", ())
    assert complaint in caught.value.message
