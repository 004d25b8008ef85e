"""One column: its limits in words, which declarations of it are refused, and what its numbers stand for."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from loan_default.schema import Schema
from loan_default.schema.columns import BooleanColumn, CategoryColumn, Column, NumberColumn, plain, require_unique

WORDS = {"name": "x", "header": "X", "description": "X.", "risk_reason": "None."}
MADE: dict[str, tuple[type[Column], dict[str, Any]]] = {
    "number": (NumberColumn, {"unit": "$", "example": 5}),
    "integer": (NumberColumn, {"unit": "$", "example": 5}),
    "boolean": (BooleanColumn, {"example": True}),
    "category": (CategoryColumn, {"categories": ["rent", "own"], "example": "own"}),
}
TYPES = list(MADE)


def column(kind: str, **changed: object) -> Column:
    model, rest = MADE[kind]
    return model.model_validate(WORDS | {"type": kind} | rest | changed)


def number(**changed: object) -> NumberColumn:
    made = column("number", **changed)
    assert isinstance(made, NumberColumn)
    return made


def integer(**changed: object) -> NumberColumn:
    made = column("integer", **changed)
    assert isinstance(made, NumberColumn)
    return made


def category(**changed: object) -> CategoryColumn:
    made = column("category", **changed)
    assert isinstance(made, CategoryColumn)
    return made


def test_limits_of_the_default_columns_in_words(schema: Schema) -> None:
    assert [item.allowed for item in schema.columns] == ["an integer from 0 to 1", "a number ≥ 0", "a number > 0"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "a number"),
        ({"maximum": 9}, "a number ≤ 9"),
        ({"exclusive_maximum": 9}, "a number < 9"),
        ({"minimum": -1.5}, "a number ≥ -1.5"),
        ({"exclusive_minimum": -1.5}, "a number > -1.5"),
        ({"minimum": 2, "maximum": 9}, "a number from 2 to 9"),
        ({"minimum": 0.5, "maximum": 1234567}, "a number from 0.5 to 1234567"),
        ({"minimum": 2, "exclusive_maximum": 9}, "a number ≥ 2 and < 9"),
        ({"exclusive_minimum": 0, "maximum": 9}, "a number > 0 and ≤ 9"),
        ({"exclusive_minimum": 0, "exclusive_maximum": 9.5}, "a number > 0 and < 9.5"),
        ({"may_be_missing": True}, "a number, or null"),
        ({"minimum": 2, "maximum": 9, "may_be_missing": True}, "a number from 2 to 9, or null"),
        ({"exclusive_maximum": 9, "may_be_missing": True}, "a number < 9, or null"),
    ],
)
def test_limits_in_words(limits: dict[str, float], words: str) -> None:
    assert number(**limits).allowed == words
    if all(float(limit).is_integer() for limit in limits.values()):
        assert integer(**limits).allowed == words.replace("a number", "an integer")


@pytest.mark.parametrize(
    ("kind", "changed", "words"),
    [
        ("integer", {}, "an integer"),
        ("integer", {"minimum": 0, "exclusive_maximum": 100}, "an integer ≥ 0 and < 100"),
        ("integer", {"exclusive_minimum": 0, "may_be_missing": True}, "an integer > 0, or null"),
        ("boolean", {}, "true or false"),
        ("boolean", {"may_be_missing": True}, "true or false, or null"),
        ("category", {}, "one of 'rent', 'own'"),
        ("category", {"may_be_missing": True}, "one of 'rent', 'own', or null"),
        ("category", {"never_seen": ["rent"]}, "one of 'own'"),
        ("category", {"categories": ["it's", 'a "b"'], "example": "it's"}, """one of "it's", 'a "b"'"""),
    ],
)
def test_what_is_allowed_in_words(kind: str, changed: dict[str, Any], words: str) -> None:
    assert column(kind, **changed).allowed == words


def test_twenty_categories_are_listed_and_the_others_counted() -> None:
    names = [f"c{i}" for i in range(23)]
    assert category(categories=names[:20], example="c0").allowed.endswith("'c19'")
    assert category(categories=names, example="c0").allowed.endswith("'c18', 'c19' and 3 more")


@pytest.mark.parametrize(
    ("limits", "lowest"),
    [
        ({}, (float("-inf"), False)),
        ({"maximum": 9}, (float("-inf"), False)),
        ({"minimum": 2}, (2, True)),
        ({"exclusive_minimum": 2}, (2, False)),
    ],
)
def test_the_lowest_end_says_whether_it_is_itself_allowed(limits: dict[str, float], lowest: tuple[float, bool]) -> None:
    assert number(**limits).lowest == lowest


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        ({"minimum": 5}, [5, 6], [4.9]),
        ({"exclusive_minimum": 4}, [4.1, 5], [4, 3]),
        ({"maximum": 5}, [5, -100], [5.1]),
        ({"exclusive_maximum": 6}, [5.9, -1], [6, 7]),
    ],
)
def test_limits_hold_what_they_say(limits: dict[str, float], inside: list[float], outside: list[float]) -> None:
    ((_, holds, bound),) = number(**limits).limits
    assert [holds(value, bound) for value in inside + outside] == [True] * len(inside) + [False] * len(outside)


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"minimum": 1, "exclusive_minimum": 1}, "minimum or exclusive_minimum, not both"),
        ({"maximum": 9, "exclusive_maximum": 9}, "maximum or exclusive_maximum, not both"),
        ({"minimum": 6}, "the example must be an? .* ≥ 6"),
        ({"exclusive_minimum": 5}, "the example must be an? .* > 5"),
        ({"maximum": 4}, "the example must be an? .* ≤ 4"),
        ({"exclusive_maximum": 5}, "the example must be an? .* < 5"),
        ({"minimum": 9, "maximum": 1}, "the example must be"),
        ({"minimum": float("-inf")}, "finite number"),
        ({"exclusive_maximum": float("inf")}, "finite number"),
        ({"example": float("nan")}, "finite number"),
        ({"example": None}, "example"),
        ({"maximum": "many"}, "valid number"),
        ({"unit": " "}, "unit"),
        ({"categories": ["a", "b"]}, "Extra inputs"),
    ],
)
def test_a_number_is_refused(kind: str, changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        column(kind, **changed)


@pytest.mark.parametrize("key", ["minimum", "exclusive_minimum", "example", "maximum", "exclusive_maximum"])
def test_an_integer_has_whole_limits_and_a_whole_example(key: str) -> None:
    value = 9.5 if key.endswith("maximum") else 1.5
    number(**{key: value})
    with pytest.raises(ValidationError, match="must be whole numbers"):
        integer(**{key: value})
    assert integer(**{key: 6.0 if key.endswith("maximum") else 4.0})


@pytest.mark.parametrize("kind", TYPES)
def test_a_column_that_is_known_only_after_the_loan_is_refused(kind: str) -> None:
    assert column(kind, known_at="application") == column(kind)
    with pytest.raises(ValidationError, match=r"known_at: after .* move the column to ignored"):
        column(kind, known_at="after")


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"name": "Size"}, "name"),
        ({"name": "1st"}, "name"),
        ({"name": "a" * 64}, "name"),
        ({"name": "a\n"}, "name"),
        ({"header": ""}, "header"),
        ({"description": " \t"}, "description"),
        ({"risk_reason": ""}, "risk_reason"),
        ({"risk": "sideways"}, "risk"),
        ({"known_at": "never"}, "known_at"),
        ({"may_be_missing": 1}, "may_be_missing"),
        ({"may_be_missing": "yes"}, "may_be_missing"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_what_every_column_has_is_checked(kind: str, changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        column(kind, **changed)


@pytest.mark.parametrize("kind", TYPES)
def test_blanks_around_sentences_are_dropped(kind: str) -> None:
    assert column(kind, header=" X\n", description="  X.  ") == column(kind)


@pytest.mark.parametrize("example", [1, 0, "true", "yes", None, 1.0])
def test_a_boolean_has_a_boolean_example(example: object) -> None:
    with pytest.raises(ValidationError, match="example"):
        column("boolean", example=example)


@pytest.mark.parametrize("written", ["[yes, no]", "[on, off]", "[true, false]", "[1, 2]", "[1.5, a]", "[a, No]"])
def test_categories_that_yaml_reads_as_something_else_must_be_quoted(written: str) -> None:
    with pytest.raises(ValidationError, match="write categories in quotes"):
        category(categories=yaml.safe_load(written), example="a")


@pytest.mark.parametrize("written", ["yes", "1", "2.5", "off"])
def test_an_example_that_yaml_reads_as_something_else_must_be_quoted(written: str) -> None:
    with pytest.raises(ValidationError, match="write categories in quotes"):
        category(categories=[written, "other"], example=yaml.safe_load(written))


def test_quoted_categories_are_words() -> None:
    made = category(**yaml.safe_load("{categories: ['yes', 'no', '1'], example: 'no'}"))
    assert made.categories == ("yes", "no", "1")


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"categories": ["own", "rent "]}, "'rent ' has blanks at its ends"),
        ({"categories": ["own", "\trent"]}, "has blanks at its ends"),
        ({"categories": ["own", " "]}, "' ' has blanks at its ends"),
        ({"categories": ["own", ""]}, "at least 1 (character|item)"),
        ({"categories": ["own", "x" * 201]}, "at most 200 (characters|items)"),
        ({"categories": ["own", None]}, "write categories in quotes"),
        ({"categories": ["own", "rent", "own"]}, "the category 'own' is declared twice"),
        ({"categories": ["own"]}, "at least 2 items"),
        ({"categories": []}, "at least 2 items"),
        ({"categories": "own"}, "valid tuple"),
        ({"categories": [f"c{i}" for i in range(1001)]}, "at most 1000 items"),
        ({"example": "Own"}, "the example must be one of 'rent', 'own'"),
        ({"example": "own", "never_seen": ["own"]}, "the example must be one of 'rent'"),
        ({"never_seen": ["lent"]}, "never_seen must be some of the categories"),
        ({"risk": "up"}, "categories have no order, so risk must be none"),
        ({"risk": "down"}, "categories have no order, so risk must be none"),
        ({"unknown": "guess"}, "unknown"),
        ({"unit": "words"}, "Extra inputs"),
    ],
)
def test_a_category_column_is_refused(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        category(**changed)


def test_the_longest_lists_and_words_are_taken() -> None:
    names = [f"{i:0200}" for i in range(1000)]
    assert len(category(categories=names, example=names[0]).codes) == 1000


def test_a_category_is_its_place_in_the_declared_list() -> None:
    assert category(categories=["c", "a", "b"], example="a").codes == {"c": 0.0, "a": 1.0, "b": 2.0}


def test_categories_never_seen_are_not_known_and_move_no_code() -> None:
    made = category(categories=["a", "b", "c"], never_seen=["b"], example="c")
    assert (made.known, made.codes) == (["a", "c"], {"a": 0.0, "c": 2.0})


@pytest.mark.parametrize(
    ("kind", "changed", "nominal"),
    [
        ("boolean", {}, True),
        ("category", {}, True),
        ("number", {}, False),
        ("number", {"minimum": 4, "maximum": 5}, False),
        ("integer", {}, False),
        ("integer", {"minimum": 4}, False),
        ("integer", {"maximum": 5}, False),
        ("integer", {"minimum": 3, "maximum": 5}, False),
        ("integer", {"minimum": 5, "maximum": 5}, False),
        ("integer", {"minimum": 4, "maximum": 5}, True),
        ("integer", {"minimum": 5, "maximum": 6, "may_be_missing": True}, True),
    ],
)
def test_a_choice_is_nominal(kind: str, changed: dict[str, Any], nominal: bool) -> None:
    assert column(kind, **changed).nominal is nominal


@pytest.mark.parametrize(
    ("limits", "nominal"),
    [
        ({"minimum": 4, "exclusive_maximum": 6}, True),
        ({"exclusive_minimum": 3, "maximum": 5}, True),
        ({"exclusive_minimum": 3, "exclusive_maximum": 6}, True),
        ({"exclusive_minimum": 4, "maximum": 5}, False),
    ],
)
def test_exclusive_limits_count_for_nominal_as_what_they_allow(limits: dict[str, float], nominal: bool) -> None:
    assert integer(**limits).nominal is nominal


@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        ("number", {}, "X. Unit: $."),
        ("integer", {}, "X. Unit: $."),
        ("boolean", {}, "X."),
        ("category", {}, "X."),
        (
            "category",
            {"unknown": "missing"},
            "X. Any other value than one of 'rent', 'own' is scored as a missing one.",
        ),
    ],
)
def test_a_column_in_a_sentence(kind: str, changed: dict[str, Any], said: str) -> None:
    assert column(kind, **changed).said == said


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("number", 2.0, 2.0),
        ("number", -0.5, -0.5),
        ("integer", 2.0, 2),
        ("integer", -3.0, -3),
        ("boolean", 1.0, True),
        ("boolean", 0.0, False),
        ("category", 0.0, "rent"),
        ("category", 1.0, "own"),
    ],
)
def test_a_number_of_the_matrix_is_shown_as_what_it_stands_for(kind: str, value: float, shown: object) -> None:
    found = column(kind).shown(value)
    assert (type(found), found) == (type(shown), shown)


@pytest.mark.parametrize(("kind", "example"), [("number", 5.0), ("integer", 5), ("boolean", True), ("category", "own")])
def test_the_example_is_shown_as_a_caller_would_send_it(kind: str, example: object) -> None:
    found = column(kind).shown_example
    assert (type(found), found) == (type(example), example)


@pytest.mark.parametrize(("value", "written"), [(2, "2"), (2.0, "2"), (-0.5, "-0.5"), (1e21, "1" + "0" * 21)])
def test_a_number_is_written_plainly(value: float, written: str) -> None:
    assert plain(value) == written


def test_the_first_repeated_value_is_named() -> None:
    require_unique("word", ["a", "b"])
    with pytest.raises(ValueError, match="the word 'b' is declared twice"):
        require_unique("word", ["a", "b", "b", "a"])
