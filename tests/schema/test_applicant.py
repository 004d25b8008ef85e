"""The request model that a declaration becomes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from declarations import KINDS, LIMITS, MIXED, MODEL, ignore, one
from pydantic import BaseModel, ValidationError

from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema, parse_schema
from loan_default.schema.applicant import Encoder, applicant_model

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"employed": 1, "bank_balance": 100.0, "annual_salary": 1000.0}

OWN = {"number": 2.5, "integer": 2, "boolean": False, "category": "b"}
FOREIGN: dict[str, list[object]] = {
    "number": ["1", True, False, [1], {}, "a", ""],
    "integer": ["1", True, False, 1.0, 1.5, [1], {}, "a"],
    "boolean": [0, 1, 1.0, "true", "yes", [True], {}],
    "category": [0, 1, True, ["a"], {"a": 1}],
}


@pytest.fixture(scope="module")
def applicant(schema: Schema) -> type[BaseModel]:
    return applicant_model(schema, ignore)


def accepts(model: type[BaseModel], **changed: object) -> bool:
    """Whether the JSON of a good applicant with these fields changed is accepted."""
    return takes(model, GOOD | changed)


def takes(model: type[BaseModel], sent: dict[str, Any]) -> bool:
    """Whether this is accepted, which must not depend on whether it comes as JSON."""
    as_json = validates(lambda: model.model_validate_json(json.dumps(sent)))
    assert validates(lambda: model.model_validate(sent)) == as_json
    return as_json


def validates(validate: Callable[[], BaseModel]) -> bool:
    try:
        validate()
    except ValidationError:
        return False
    return True


def row(schema: Schema, sent: dict[str, Any]) -> list[float]:
    return Encoder(schema).row(applicant_model(schema, ignore).model_validate(sent))


@pytest.mark.parametrize("path", [DEFAULT_SCHEMA, ROOT / "examples" / "credit_data" / "credit_data.schema.yaml"])
def test_the_example_passes_validation(path: Path) -> None:
    schema = load_schema(path)
    model = applicant_model(schema, ignore)
    assert model.model_validate_json(json.dumps(schema.example)).model_dump(by_alias=True) == schema.example


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("employed", True),
        ("employed", 1.0),
        ("employed", "1"),
        ("employed", None),
        ("employed", 10**400),
        ("bank_balance", True),
        ("bank_balance", "100"),
        ("bank_balance", [100]),
        ("bank_balance", None),
    ],
)
def test_a_value_of_another_type_is_refused(applicant: type[BaseModel], field: str, value: object) -> None:
    assert not accepts(applicant, **{field: value})


def test_an_integer_is_a_number(applicant: type[BaseModel]) -> None:
    assert accepts(applicant, bank_balance=100, annual_salary=1)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
@pytest.mark.parametrize("field", ["bank_balance", "annual_salary"])
def test_a_number_that_is_not_finite_is_refused(applicant: type[BaseModel], field: str, literal: str) -> None:
    text = json.dumps(GOOD | {field: "HERE"}).replace('"HERE"', literal)
    with pytest.raises(ValidationError, match=field):
        applicant.model_validate_json(text)


def test_an_unknown_field_is_refused_by_name(applicant: type[BaseModel]) -> None:
    with pytest.raises(ValidationError, match="saving_rate"):
        applicant.model_validate(GOOD | {"saving_rate": 0.1})


@pytest.mark.parametrize("field", list(GOOD))
def test_a_missing_field_is_refused_by_name(applicant: type[BaseModel], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        applicant.model_validate({name: value for name, value in GOOD.items() if name != field})


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("employed", 0, True),
        ("employed", 1, True),
        ("employed", -1, False),
        ("employed", 2, False),
        ("bank_balance", 0, True),
        ("bank_balance", -0.0, True),
        ("bank_balance", 5e-324, True),
        ("bank_balance", -5e-324, False),
        ("bank_balance", 1.7976931348623157e308, True),
        ("annual_salary", 0, False),
        ("annual_salary", 0.0, False),
        ("annual_salary", -0.0, False),
        ("annual_salary", 5e-324, True),
        ("annual_salary", -5e-324, False),
        ("annual_salary", 1.7976931348623157e308, True),
    ],
)
def test_limits_at_their_edges(applicant: type[BaseModel], field: str, value: float, accepted: bool) -> None:
    assert accepts(applicant, **{field: value}) is accepted


def test_an_error_does_not_repeat_the_value(applicant: type[BaseModel]) -> None:
    with pytest.raises(ValidationError) as caught:
        applicant.model_validate(GOOD | {"bank_balance": -987654.25})
    assert "987654" not in str(caught.value)


@pytest.mark.parametrize("name", ["schema", "json", "copy", "model_dump", "model_config", "dict"])
def test_a_column_may_have_a_name_that_pydantic_uses(name: str) -> None:
    text = DEFAULT_SCHEMA.read_text(encoding="utf-8").replace("employed\n", f"{name}\n")
    model = applicant_model(parse_schema(text, "own.yaml"), ignore)
    sent = {name: 1, "bank_balance": 1.0, "annual_salary": 2.0}
    assert model.model_validate_json(json.dumps(sent)).model_dump(by_alias=True) == sent
    assert list(model.model_json_schema()["properties"]) == list(sent)


def test_the_name_of_a_field_inside_the_model_is_not_a_field(applicant: type[BaseModel]) -> None:
    assert not accepts(applicant, column_0=1)
    assert not takes(applicant, {"column_0": 1, "column_1": 100.0, "column_2": 1000.0})


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("optional", [False, True])
def test_each_type_takes_its_own_values_only(kind: str, optional: bool) -> None:
    model = applicant_model(one(kind, may_be_missing=optional), ignore)
    assert takes(model, {"x": OWN[kind]})
    assert not [value for value in FOREIGN[kind] if takes(model, {"x": value})]


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("optional", [False, True])
def test_not_a_number_and_infinity_are_refused(kind: str, value: float, optional: bool) -> None:
    assert not takes(applicant_model(one(kind, may_be_missing=optional), ignore), {"x": value})


@pytest.mark.parametrize("kind", list(KINDS))
def test_null_and_absent_are_refused_where_a_value_may_not_be_missing(kind: str) -> None:
    model = applicant_model(one(kind), ignore)
    assert not takes(model, {"x": None})
    assert not takes(model, {})


@pytest.mark.parametrize("kind", list(KINDS))
def test_null_and_absent_are_the_same_missing_value(kind: str) -> None:
    schema = one(kind, may_be_missing=True)
    assert takes(applicant_model(schema, ignore), {"x": None})
    assert np.isnan([row(schema, {"x": None}), row(schema, {})]).all()


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize(
    ("limits", "accepted"),
    [
        ({}, [-1, 0, 1, 9, 10, 11]),
        ({"minimum": 0, "maximum": 10}, [0, 1, 9, 10]),
        ({"exclusive_minimum": 0, "maximum": 10}, [1, 9, 10]),
        ({"minimum": 0, "exclusive_maximum": 10}, [0, 1, 9]),
        ({"exclusive_minimum": 0, "exclusive_maximum": 10}, [1, 9]),
        ({"exclusive_maximum": 10}, [-1, 0, 1, 9]),
    ],
)
def test_limits_are_held_at_both_ends(kind: str, limits: dict[str, float], accepted: list[int]) -> None:
    model = applicant_model(one(kind, **limits), ignore)
    assert [value for value in (-1, 0, 1, 9, 10, 11) if takes(model, {"x": value})] == accepted
    optional = applicant_model(one(kind, may_be_missing=True, **limits), ignore)
    assert [value for value in (-1, 0, 1, 9, 10, 11) if takes(optional, {"x": value})] == accepted


def test_an_exclusive_maximum_is_exact() -> None:
    model = applicant_model(one("number", exclusive_maximum=10), ignore)
    assert takes(model, {"x": float(np.nextafter(10, 0))})
    assert not takes(model, {"x": 10.0})


@pytest.mark.parametrize("value", [2**53 + 1, 2**63, 2**64, 10**300])
def test_a_large_integer_is_accepted_within_its_limits(value: int) -> None:
    assert row(one("integer", maximum=1e300), {"x": value}) == [float(value)]
    assert not takes(applicant_model(one("integer", maximum=1e15), ignore), {"x": value})


def test_an_integer_beyond_every_float_is_refused() -> None:
    assert not takes(applicant_model(one("integer"), ignore), {"x": 10**400})


@pytest.mark.parametrize("value", ["d", "A", " a", "a ", "", "\u0430"])
def test_an_unknown_category_is_refused_and_told(value: str) -> None:
    told: list[tuple[str, str]] = []
    model = applicant_model(one("category"), lambda *what: told.append(what))
    with pytest.raises(ValidationError, match="Input should be one of 'a', 'b', 'c'") as caught:
        model.model_validate({"x": value})
    assert caught.value.errors()[0]["type"] == "unknown_category"
    assert caught.value.errors()[0]["loc"] == ("x",)
    assert told == [("x", "refused")]


@pytest.mark.parametrize("optional", [False, True])
def test_an_unknown_category_is_scored_as_missing_and_told(optional: bool) -> None:
    told: list[tuple[str, str]] = []
    schema = one("category", unknown="missing", may_be_missing=optional)
    model = applicant_model(schema, lambda *what: told.append(what))
    assert np.isnan(Encoder(schema).row(model.model_validate_json('{"x": "d"}'))).all()
    assert told == [("x", "missing")]


@pytest.mark.parametrize("unknown", ["refuse", "missing"])
def test_nobody_is_told_of_known_and_missing_categories(unknown: str) -> None:
    told: list[tuple[str, str]] = []
    schema = one("category", unknown=unknown, may_be_missing=True)
    model = applicant_model(schema, lambda *what: told.append(what))
    for sent in ({"x": "a"}, {"x": None}, {}):
        model.model_validate(sent)
    assert told == []


def test_nobody_is_told_of_a_value_that_is_no_word() -> None:
    told: list[tuple[str, str]] = []
    model = applicant_model(one("category", unknown="missing"), lambda *what: told.append(what))
    assert not takes(model, {"x": 7})
    assert told == []


@pytest.mark.parametrize("unknown", ["refuse", "missing"])
def test_a_category_never_seen_is_unknown(unknown: str) -> None:
    told: list[tuple[str, str]] = []
    schema = one("category", never_seen=["b"], unknown=unknown)
    model = applicant_model(schema, lambda *what: told.append(what))
    assert takes(model, {"x": "b"}) is (unknown == "missing")
    assert set(told) == {("x", "refused" if unknown == "refuse" else "missing")}
    assert row(schema, {"x": "c"}) == [2.0]


def test_a_category_never_seen_is_scored_as_missing() -> None:
    assert np.isnan(row(one("category", never_seen=["b"], unknown="missing"), {"x": "b"})).all()


def test_a_word_too_long_to_be_a_category_is_refused_even_where_unknown_ones_are_not() -> None:
    model = applicant_model(one("category", unknown="missing"), ignore)
    assert takes(model, {"x": "d" * 200})
    assert not takes(model, {"x": "d" * 201})


def property_of(schema: Schema) -> dict[str, Any]:
    found: dict[str, Any] = applicant_model(schema, ignore).model_json_schema()["properties"]["x"]
    return found


@pytest.mark.parametrize(
    ("kind", "changed", "shown"),
    [
        ("number", {}, {"type": "number"}),
        ("integer", {}, {"type": "integer"}),
        ("boolean", {}, {"type": "boolean"}),
        ("category", {}, {"type": "string", "enum": ["a", "b", "c"]}),
        ("category", {"never_seen": ["b"]}, {"type": "string", "enum": ["a", "c"]}),
        ("category", {"unknown": "missing"}, {"type": "string", "examples": ["a", "b", "c"]}),
        ("number", {"minimum": 1, "maximum": 9.5}, {"minimum": 1, "maximum": 9.5}),
        ("integer", {"minimum": 1, "maximum": 9}, {"minimum": 1, "maximum": 9}),
        ("number", LIMITS, {"exclusiveMinimum": 0, "exclusiveMaximum": 10}),
        ("integer", LIMITS, {"exclusiveMinimum": 0, "exclusiveMaximum": 10}),
    ],
)
@pytest.mark.parametrize("optional", [False, True])
def test_the_json_schema_shows_what_is_allowed(
    kind: str, changed: dict[str, Any], shown: dict[str, Any], optional: bool
) -> None:
    found = property_of(one(kind, may_be_missing=optional, **changed))
    if optional:
        found, null = found["anyOf"]
        assert null == {"type": "null"}
    assert shown.items() <= found.items()


def test_the_json_schema_shows_no_limit_that_is_not_declared() -> None:
    assert set(property_of(one("number"))) == {"type", "title", "description"}


def test_an_unknown_category_that_is_scored_is_not_forbidden_by_the_json_schema() -> None:
    assert "enum" not in property_of(one("category", unknown="missing"))


def test_the_json_schema_has_titles_and_descriptions() -> None:
    found = property_of(one("number", description="What is owed."))
    assert (found["title"], found["description"]) == ("X", "What is owed. Unit: $.")


def test_the_json_schema_names_what_is_required_and_shows_an_example() -> None:
    shown = MODEL.model_json_schema()
    assert shown["required"] == ["debt", "years", "owner", "home"]
    assert shown["example"] == MIXED.example
    assert shown["additionalProperties"] is False
