"""The declaration of columns: what the default one says, which ones are refused, and the request model it becomes."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from loan_default.errors import SchemaError
from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema, parse_schema
from loan_default.schema.applicant import applicant_model
from loan_default.schema.columns import NumberColumn

GOOD = {"employed": 1, "bank_balance": 100.0, "annual_salary": 1000.0}

AGE = """
  - name: age
    header: Age
    type: integer
    minimum: 18
    unit: years
    description: The applicant's age.
    example: 40
    risk_reason: The data decide.
"""


def ignore(column: str, outcome: str) -> None:
    """Nothing counts unknown categories here."""


def default_text(old: str = "", new: str = "") -> str:
    text = DEFAULT_SCHEMA.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


def column(**limits: float | str) -> NumberColumn:
    rest = {"name": "x", "header": "X", "type": "number", "unit": "$", "description": "X.", "example": 1}
    return NumberColumn.model_validate({**rest, "risk_reason": "None.", "example": 5, **limits})


@pytest.fixture(scope="module")
def applicant(schema: Schema) -> type[BaseModel]:
    return applicant_model(schema, ignore)


def accepts(model: type[BaseModel], **changed: object) -> bool:
    """Whether the JSON of a good applicant with these fields changed is accepted."""
    try:
        model.model_validate_json(json.dumps(GOOD | changed))
    except ValidationError:
        return False
    return True


def test_the_default_declaration_has_these_features_in_this_order(schema: Schema) -> None:
    assert schema.column_names == ["employed", "bank_balance", "annual_salary"]
    assert schema.derived_names == ["saving_rate"]
    assert schema.feature_names == ["employed", "bank_balance", "annual_salary", "saving_rate"]


def test_the_default_declaration_reads_these_csv_headers(schema: Schema) -> None:
    assert [item.header for item in schema.columns] == ["Employed", "Bank Balance", "Annual Salary"]
    assert (schema.target.header, schema.target.positive, schema.id) == ("Defaulted?", 1, "Index")


def test_directions_of_risk_become_monotone_constraints(schema: Schema) -> None:
    assert schema.monotone_constraints == (0, 1, -1, 1)


def test_limits_of_the_default_columns_in_words(schema: Schema) -> None:
    assert [item.allowed for item in schema.columns] == ["an integer from 0 to 1", "a number ≥ 0", "a number > 0"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "a number"),
        ({"type": "integer"}, "an integer"),
        ({"maximum": 9}, "a number ≤ 9"),
        ({"minimum": -1.5}, "a number ≥ -1.5"),
        ({"minimum": 2, "maximum": 9}, "a number from 2 to 9"),
        ({"exclusive_minimum": 0, "maximum": 9}, "a number > 0 and ≤ 9"),
    ],
)
def test_limits_in_words(limits: dict[str, float | str], words: str) -> None:
    assert column(**limits).allowed == words


def test_the_example_passes_validation(schema: Schema, applicant: type[BaseModel]) -> None:
    assert applicant.model_validate_json(json.dumps(schema.example)).model_dump(by_alias=True) == schema.example


def test_an_integer_column_has_an_integer_example(schema: Schema) -> None:
    assert [type(value) for value in schema.example.values()] == [int, float, float]


def test_adding_a_column_is_one_entry() -> None:
    schema = parse_schema(default_text("\nderived:", AGE + "\nderived:"), "new.yaml")
    assert schema.feature_names == ["employed", "bank_balance", "annual_salary", "age", "saving_rate"]
    assert schema.monotone_constraints == (0, 1, -1, 0, 1)
    assert applicant_model(schema, ignore).model_validate(GOOD | {"age": 18}).model_dump(by_alias=True)["age"] == 18
    with pytest.raises(ValidationError, match="age"):
        applicant_model(schema, ignore).model_validate(GOOD | {"age": 17})


def test_a_declaration_without_derived_features_is_fine() -> None:
    head, _, rest = default_text().partition("derived:")
    schema = parse_schema(head + "target:" + rest.partition("target:")[2], "plain.yaml")
    assert schema.feature_names == schema.column_names


def test_json_is_a_declaration_too(schema: Schema) -> None:
    assert parse_schema(schema.model_dump_json(), "schema.json") == schema


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("header: Employed", "header: Employed\n    colour: red", "columns.0.colour: Extra inputs"),
        ("positive: 1", "positiv: 1", "target.positiv: Extra inputs"),
        ("name: Default_Fin", "name: Default_Fin\nversion: 2", "version: Extra inputs"),
        ("    unit: dollars a year\n", "", "columns.2.unit: Field required"),
        ("type: integer", "type: text", "columns.0.type"),
        ("risk: up", "risk: sideways", "columns.1.risk"),
        ("name: employed", "name: Employed?", "columns.0.name"),
        ("example: 1\n", "example: one\n", "columns.0.example"),
        ("header: Bank Balance", 'header: " "', "columns.1.header"),
        ("name: bank_balance", "name: employed", "the name 'employed' is declared twice"),
        ("name: saving_rate", "name: employed", "the name 'employed' is declared twice"),
        ("header: Bank Balance", "header: Employed", "the header 'Employed' is declared twice"),
        ('header: "Defaulted?"', "header: Employed", "the header 'Employed' is declared twice"),
        ("numerator: bank_balance", "numerator: debt", "'saving_rate' uses 'debt'"),
        ("denominator: annual_salary", "denominator: saving_rate", "'saving_rate' uses 'saving_rate'"),
        ("denominator: annual_salary", "denominator: employed", "divides by 'employed', which may be zero"),
        ("exclusive_minimum: 0", "minimum: 0", "divides by 'annual_salary', which may be zero"),
    ],
)
def test_a_wrong_declaration_is_refused_by_file_and_key(old: str, new: str, named: str) -> None:
    with pytest.raises(SchemaError) as caught:
        parse_schema(default_text(old, new), "wrong.yaml")
    assert caught.value.message.startswith("wrong.yaml is not a valid declaration of columns: ")
    assert named in caught.value.message


def test_all_wrong_keys_are_named_in_one_go() -> None:
    text = default_text("type: integer", "type: text").replace("positive: 1", "positive: []")
    with pytest.raises(SchemaError, match=r"line 10, columns\.0\.type: .*; line 49, target\.positive: "):
        parse_schema(text, "wrong.yaml")


@pytest.mark.parametrize("text", ["", "[]", "just words", "42", "null"])
def test_a_file_that_declares_nothing_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match=r"empty\.yaml .*the whole file"):
        parse_schema(text, "empty.yaml")


def test_no_columns_at_all_are_refused(schema: Schema) -> None:
    content = schema.model_dump(mode="json") | {"columns": [], "derived": []}
    with pytest.raises(SchemaError, match=r"none\.json .*columns: "):
        parse_schema(json.dumps(content), "none.json")


@pytest.mark.parametrize("text", ["name: [", "a: b: c", "\tname: x", "&a *b", "!!python/object:os.system {}", "\x00"])
def test_invalid_yaml_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match=r"^broken\.yaml is not valid YAML: ") as caught:
        parse_schema(text, "broken.yaml")
    assert "\n" not in caught.value.message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"Cannot read the declaration of columns .*none\.yaml"):
        load_schema(tmp_path / "none.yaml")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    with pytest.raises(SchemaError, match=r"latin\.yaml"):
        load_schema(tmp_path / "latin.yaml")


def test_a_declaration_never_changes_once_read(schema: Schema) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(schema.columns[0], "risk", "up")  # noqa: B010  # mypy refuses the plain one


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


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("example: 1\n", "example: 2\n", "the example must be an integer from 0 to 1"),
        ("example: 1\n", "example: .nan\n", "finite number"),
        ("    minimum: 0\n    maximum: 1\n", "    minimum: 0.5\n    maximum: 1\n", "must be whole numbers"),
        ("    minimum: 0\n    maximum: 1\n", "    minimum: 1\n    maximum: 0\n", "the example must be"),
        ("exclusive_minimum: 0", "exclusive_minimum: 0\n    minimum: 1", "not both"),
        ("example: 8754.36", "example: 2026-13-45", "is not valid YAML"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(old: str, new: str, complaint: str) -> None:
    with pytest.raises(SchemaError, match=complaint):
        parse_schema(default_text(old, new), "own.yaml")


def test_a_denominator_may_have_any_positive_lower_limit() -> None:
    assert (
        parse_schema(default_text("exclusive_minimum: 0", "minimum: 1"), "own.yaml").columns[2].allowed
        == "a number ≥ 1"
    )


def test_large_limits_are_written_out() -> None:
    schema = parse_schema(default_text("exclusive_minimum: 0", "minimum: 0.5\n    maximum: 1234567"), "own.yaml")
    assert schema.columns[2].allowed == "a number from 0.5 to 1234567"


@pytest.mark.parametrize("name", ["schema", "json", "copy", "model_dump", "model_config", "dict"])
def test_a_column_may_have_a_name_that_pydantic_uses(name: str) -> None:
    model = applicant_model(parse_schema(default_text("employed", name), "own.yaml"), ignore)
    sent = {name: 1, "bank_balance": 1.0, "annual_salary": 2.0}
    assert model.model_validate_json(json.dumps(sent)).model_dump(by_alias=True) == sent
    assert list(model.model_json_schema()["properties"]) == list(sent)
