"""What a change of the declaration breaks for callers: each kind of change, and that nothing is overlooked."""

from itertools import product
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel, ValidationError

from loan_default.schema import Schema
from loan_default.schema.applicant import applicant_model
from loan_default.schema.changes import Change, breaking, changes

WORDS = {"header": "X", "description": "X.", "risk_reason": "None."}
KINDS: dict[str, dict[str, Any]] = {
    "number": {"type": "number", "unit": "$", "example": 5},
    "integer": {"type": "integer", "unit": "$", "example": 5},
    "boolean": {"type": "boolean", "example": True},
    "category": {"type": "category", "categories": ["a", "b", "c"], "example": "a"},
}
NUMBERS = ["number", "integer"]
DIFFERENCE = {"difference": {"of": "x", "minus": "other"}}
LOG = {"log": {"of": "other", "plus": 1}}


def column(kind: str, **changed: object) -> dict[str, Any]:
    return {"name": "x"} | WORDS | KINDS[kind] | changed


def declared(*columns: dict[str, Any], **changed: object) -> Schema:
    """A declaration of these columns, and always of one more."""
    other = column("number", name="other", header="Other", minimum=0)
    content = {"name": "d", "columns": [*columns, other], "target": {"header": "T", "positive": 1, "description": "T."}}
    return Schema.model_validate(content | changed)


def between(kind: str, old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, bool]]:
    """The changes from one declaration of x to another, and whether each breaks."""
    found = changes(declared(column(kind, **old)), declared(column(kind, **new)))
    assert {change.column for change in found} <= {"x"}
    return [(change.text, change.breaks) for change in found]


def test_a_change_is_said_with_its_column() -> None:
    assert str(Change("x", "is gone", breaks=True)) == "x: is gone"


@pytest.mark.parametrize("kind", list(KINDS))
def test_equal_declarations_have_no_changes(kind: str) -> None:
    assert changes(declared(column(kind)), declared(column(kind))) == []


def test_the_default_declaration_has_not_changed_since_itself(schema: Schema) -> None:
    assert changes(schema, Schema.model_validate_json(schema.model_dump_json())) == []


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("optional", [False, True])
def test_a_column_that_is_gone_breaks(kind: str, optional: bool) -> None:
    (change,) = changes(declared(column(kind, may_be_missing=optional)), declared())
    assert change == Change("x", "is gone; callers who send it are refused", breaks=True)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(("optional", "text"), [(False, "is new and required"), (True, "is new, and may be left out")])
def test_a_new_column_breaks_when_it_is_required(kind: str, optional: bool, text: str) -> None:
    (change,) = changes(declared(), declared(column(kind, may_be_missing=optional)))
    assert change == Change("x", text, breaks=not optional)


def test_a_renamed_column_is_gone_and_new() -> None:
    found = changes(declared(column("number")), declared(column("number", name="y")))
    assert [(change.column, change.breaks) for change in found] == [("x", True), ("y", True)]


def test_changes_come_in_the_order_of_the_old_columns_then_of_the_new_ones() -> None:
    names = ["x", "y", "z", "w"]
    x, y, z, w = (column("boolean", name=name, header=name) for name in names)
    found = changes(declared(z, x, y), declared(w, y | {"may_be_missing": True}))
    assert [change.column for change in found] == ["z", "x", "y", "w"]


def test_another_order_of_columns_is_no_change() -> None:
    x, y = column("number"), column("boolean", name="y", header="Y")
    assert changes(declared(x, y), declared(y, x)) == []


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_column_that_may_be_missing_from_now_on_breaks_nothing(kind: str) -> None:
    assert between(kind, {}, {"may_be_missing": True}) == [("may be missing now", False)]


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_column_that_may_not_be_missing_any_more_breaks(kind: str) -> None:
    assert between(kind, {"may_be_missing": True}, {}) == [("may not be missing any more", True)]


@pytest.mark.parametrize("kind", list(KINDS))
def test_another_header_breaks_files(kind: str) -> None:
    text = "its header in files was 'X' and is 'Y'"
    assert between(kind, {"header": "X"}, {"header": "Y"}) == [(text, True)]


@pytest.mark.parametrize("kind", list(KINDS))
def test_other_words_and_another_example_are_no_change(kind: str) -> None:
    example = {"number": 7, "integer": 7, "boolean": False, "category": "b"}[kind]
    assert between(kind, {}, {"description": "Y.", "risk_reason": "So.", "example": example}) == []


@pytest.mark.parametrize("kind", ["number", "integer", "boolean"])
def test_another_direction_of_risk_is_no_change(kind: str) -> None:
    assert between(kind, {"risk": "up"}, {"risk": "down"}) == []


@pytest.mark.parametrize(("old", "new"), [pair for pair in product(KINDS, KINDS) if pair[0] != pair[1]])
def test_another_type_breaks_unless_integers_become_numbers(old: str, new: str) -> None:
    (change,) = changes(declared(column(old)), declared(column(new)))
    assert change.text == f"was of type {old} and is of type {new}"
    assert change.breaks is ((old, new) != ("integer", "number"))


def test_integers_that_become_numbers_still_break_when_their_limits_narrow() -> None:
    found = changes(declared(column("integer", maximum=9)), declared(column("number", maximum=8)))
    assert [change.breaks for change in found] == [False, True]


@pytest.mark.parametrize("kind", NUMBERS)
def test_another_unit_breaks(kind: str) -> None:
    assert between(kind, {"unit": "$"}, {"unit": "cents"}) == [("its unit was '$' and is 'cents'", True)]


NARROWER = [
    ({}, {"minimum": 1}),
    ({}, {"exclusive_minimum": 1}),
    ({}, {"maximum": 9}),
    ({}, {"exclusive_maximum": 9}),
    ({"minimum": 1}, {"minimum": 2}),
    ({"minimum": -2}, {"minimum": -1}),
    ({"maximum": 9}, {"maximum": 8}),
    ({"minimum": 1}, {"exclusive_minimum": 1}),
    ({"maximum": 9}, {"exclusive_maximum": 9}),
    ({"exclusive_minimum": 1}, {"exclusive_minimum": 2}),
    ({"exclusive_maximum": 9}, {"exclusive_maximum": 8}),
    ({"exclusive_minimum": 1}, {"minimum": 3}),
    ({"exclusive_maximum": 9}, {"maximum": 7}),
    ({"minimum": 1, "maximum": 9}, {"minimum": 2, "maximum": 8}),
    ({"maximum": 9}, {"minimum": 0, "maximum": 9}),
]
MOVED = [
    ({"minimum": 1, "maximum": 9}, {"minimum": 0, "maximum": 8}),
    ({"minimum": 1, "maximum": 9}, {"minimum": 2, "maximum": 10}),
    ({"minimum": 1}, {"maximum": 9}),
    ({"exclusive_minimum": 1, "maximum": 9}, {"minimum": 1, "exclusive_maximum": 9}),
]


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize(("old", "new"), [*NARROWER, *MOVED, *[(new, old) for old, new in MOVED]])
def test_narrower_limits_break(kind: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    ((text, breaks),) = between(kind, old, new)
    assert breaks
    assert text.startswith("was a")
    assert text.endswith(", which is narrower")


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize(("new", "old"), NARROWER)
def test_wider_limits_break_nothing(kind: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    ((text, breaks),) = between(kind, old, new)
    assert not breaks
    assert "narrower" not in text


def test_changed_limits_are_said_in_words() -> None:
    text = "was a number ≥ 0 and is a number > 0, which is narrower"
    assert between("number", {"minimum": 0}, {"exclusive_minimum": 0}) == [(text, True)]


@pytest.mark.parametrize("kind", NUMBERS)
def test_limits_that_are_written_in_another_way_are_no_change(kind: str) -> None:
    assert between(kind, {"minimum": 1}, {"minimum": 1.0, "maximum": None}) == []


@pytest.mark.parametrize(
    ("old", "new"), [({"exclusive_minimum": 0}, {"minimum": 1}), ({"exclusive_maximum": 10}, {"maximum": 9})]
)
def test_the_same_integers_by_another_limit_break_nothing(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert not [text for text, breaks in between("integer", old, new) if breaks]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {"categories": ["a", "b"]}, [("knows 'c' no more; they are refused", True)]),
        (
            {},
            {"categories": ["a", "d"]},
            [("knows 'b', 'c' no more; they are refused", True), ("knows 'd' now", False)],
        ),
        ({}, {"categories": ["a", "b", "c", "d", "e"]}, [("knows 'd', 'e' now", False)]),
        ({}, {"categories": ["c", "b", "a"]}, []),
        ({}, {"never_seen": ["c"]}, [("knows 'c' no more; they are refused", True)]),
        ({"never_seen": ["c"]}, {}, [("knows 'c' now", False)]),
        ({"never_seen": ["c"]}, {"categories": ["a", "b"]}, []),
    ],
)
def test_refused_categories_that_are_gone_break(
    old: dict[str, Any], new: dict[str, Any], expected: list[tuple[str, bool]]
) -> None:
    assert between("category", old, new) == expected


@pytest.mark.parametrize("new", [{"categories": ["a", "b"]}, {"never_seen": ["c"]}])
def test_categories_that_are_scored_as_missing_may_go(new: dict[str, Any]) -> None:
    found = between("category", {"unknown": "missing"}, {"unknown": "missing"} | new)
    assert found == [("knows 'c' no more; they are scored as missing", False)]


def test_refusing_other_categories_breaks() -> None:
    found = between("category", {"unknown": "missing"}, {"unknown": "refuse"})
    assert found == [("other values were scored as missing and are refused", True)]


def test_scoring_other_categories_breaks_nothing() -> None:
    found = between("category", {"unknown": "refuse"}, {"unknown": "missing"})
    assert found == [("other values were refused and are scored as missing", False)]


def test_a_category_may_go_while_others_are_scored_as_missing_from_now_on() -> None:
    found = between("category", {}, {"unknown": "missing", "categories": ["a", "b"]})
    assert [breaks for _, breaks in found] == [False, False]


def test_every_change_of_a_column_is_named() -> None:
    old = {"unit": "$", "may_be_missing": True, "maximum": 9, "header": "X"}
    new = {"unit": "cents", "may_be_missing": False, "maximum": 8, "header": "Y"}
    assert [breaks for _, breaks in between("integer", old, new)] == [True] * 4


def deriving(**operations: dict[str, Any]) -> Schema:
    words = {"description": "D.", "risk_reason": "None."}
    derived = [words | {"name": name} | operation for name, operation in operations.items()]
    return declared(column("number", minimum=0), derived=derived)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ({}, {"d": LOG}, "is derived now, and answers show it"),
        ({"d": LOG}, {}, "is derived no more, and no answer shows it"),
        ({"d": LOG}, {"d": DIFFERENCE}, "is derived in another way"),
        ({"d": LOG}, {"d": {"log": {"of": "other", "plus": 2}}}, "is derived in another way"),
        ({"d": DIFFERENCE}, {"d": {"difference": {"of": "other", "minus": "x"}}}, "is derived in another way"),
    ],
)
def test_derived_features_break_nothing(old: dict[str, Any], new: dict[str, Any], text: str) -> None:
    assert changes(deriving(**old), deriving(**new)) == [Change("d", text, breaks=False)]


def test_the_same_derived_features_are_no_change() -> None:
    assert changes(deriving(d=LOG, e=DIFFERENCE), deriving(e=DIFFERENCE, d=LOG)) == []


def test_breaking_keeps_what_breaks_in_order() -> None:
    old = declared(column("integer", maximum=9, may_be_missing=True), column("boolean", name="y", header="Y"))
    new = declared(column("number", maximum=8), column("boolean", name="z", header="Z", may_be_missing=True))
    found = breaking(old, new)
    assert [change.column for change in found] == ["x", "x", "y"]
    assert found == [change for change in changes(old, new) if change.breaks]


# Limits are drawn in steps of a half, so two different ones always have one of these values between them.
VALUES: list[Any] = [
    None,
    True,
    False,
    "a",
    "b",
    "c",
    "d",
    "unheard of",
    *range(-1, 8),
    *[i / 4 for i in range(-4, 29)],
]
LOW, HIGH = [-0.5, 0, 0.5, 1, 1.5, 2], [4, 4.5, 5, 5.5, 6]


def limits(kind: str, exclusive: bool) -> SearchStrategy[dict[str, Any]]:
    low = [value for value in LOW if kind == "number" or value % 1 == 0]
    high = [value for value in HIGH if kind == "number" or value % 1 == 0]
    sides = [st.fixed_dictionaries({"minimum": st.sampled_from(low)}), st.just({})]
    tops = [st.fixed_dictionaries({"maximum": st.sampled_from(high)}), st.just({})]
    if exclusive:
        sides.append(st.fixed_dictionaries({"exclusive_minimum": st.sampled_from(low)}))
        tops.append(st.fixed_dictionaries({"exclusive_maximum": st.sampled_from(high)}))
    # 3 is within all of them.
    return st.builds(lambda side, top: side | top | {"example": 3}, st.one_of(sides), st.one_of(tops))


@st.composite
def categories(draw: st.DrawFn) -> dict[str, Any]:
    known = draw(st.lists(st.sampled_from("abcd"), min_size=2, unique=True))
    seen = draw(st.lists(st.sampled_from(known), min_size=1, unique=True))
    never = [category for category in known if category not in seen]
    unknown = draw(st.sampled_from(["refuse", "missing"]))
    return {"categories": known, "never_seen": never, "example": seen[0], "unknown": unknown}


@st.composite
def columns(draw: st.DrawFn, name: str, kinds: list[str], *, exclusive: bool) -> dict[str, Any]:
    kind = draw(st.sampled_from(kinds))
    details: SearchStrategy[dict[str, Any]] = st.just({})
    if kind in NUMBERS:
        details = limits(kind, exclusive or kind == "number")
    elif kind == "category":
        details = categories()
    optional = draw(st.booleans())
    return column(kind, name=name, header=name, may_be_missing=optional) | draw(details)


@st.composite
def pairs(draw: st.DrawFn, *, exclusive: bool) -> tuple[Schema, Schema]:
    """Two declarations of up to two columns; a column often stays as it is, and more often keeps its type."""
    old: list[dict[str, Any]] = []
    new: list[dict[str, Any]] = []
    for name in ("x", "y"):
        kinds = draw(st.sampled_from([[kind] for kind in KINDS] + [NUMBERS, list(KINDS)]))
        before = draw(columns(name, kinds, exclusive=exclusive))
        after = draw(st.just(before) | columns(name, kinds, exclusive=exclusive))
        fate = draw(st.sampled_from(["stays", "stays", "stays", "stays", "comes", "goes"]))
        old += [before] * (fate != "comes")
        new += [after] * (fate != "goes")
    return declared(*old), declared(*new)


def accepts(model: type[BaseModel], sent: dict[str, Any]) -> bool:
    try:
        model.model_validate(sent)
    except ValidationError:
        return False
    return True


def newly_refused(old: Schema, new: Schema) -> list[dict[str, Any]]:
    """Applicants that are valid under the old declaration and not under the new one: the example, one field changed."""
    before, after = (applicant_model(schema, lambda *_: None) for schema in (old, new))
    names = old.column_names
    tried = [old.example | {name: value} for name in names for value in VALUES]
    tried += [{key: value for key, value in old.example.items() if key != name} for name in names]
    return [sent for sent in [old.example, *tried] if accepts(before, sent) and not accepts(after, sent)]


@settings(deadline=None, max_examples=300)
@given(pairs(exclusive=True))
def test_without_a_breaking_change_every_applicant_is_still_accepted(pair: tuple[Schema, Schema]) -> None:
    found = breaking(*pair)
    event("breaks" if found else "breaks nothing")
    if not found:
        assert newly_refused(*pair) == []


@settings(deadline=None, max_examples=200)
@given(pairs(exclusive=False))
def test_a_breaking_change_refuses_an_applicant_who_was_accepted(pair: tuple[Schema, Schema]) -> None:
    assert bool(breaking(*pair)) == bool(newly_refused(*pair))


@settings(deadline=None)
@given(pairs(exclusive=True))
def test_no_change_at_all_means_the_same_request_model(pair: tuple[Schema, Schema]) -> None:
    old, new = pair
    if not changes(old, new):
        assert newly_refused(old, new) == newly_refused(new, old) == []
    assert changes(new, new) == []
