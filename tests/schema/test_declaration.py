"""The whole declaration: its order, its names, the target, and every other part of the file."""

from typing import Any

import pytest
import yaml
from declarations import COLUMNS, RATIO, TARGET, WORDS, declared, deriving, ignore
from pydantic import ValidationError

from loan_default.errors import SchemaError
from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema, parse_schema
from loan_default.schema.applicant import applicant_model
from loan_default.schema.columns import Column
from loan_default.schema.declaration import AuditColumn, CsvFormat, Gates, StageGates, Target

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


def default_text(old: str = "", new: str = "") -> str:
    text = DEFAULT_SCHEMA.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


def csv(**keys: object) -> CsvFormat:
    return CsvFormat.model_validate(keys)


def audit(**keys: object) -> AuditColumn:
    return AuditColumn.model_validate({"name": "age", "header": "Age", "description": "Age."} | keys)


def target(**keys: object) -> Target:
    return Target.model_validate(TARGET | keys)


def test_the_default_declaration_has_these_features_in_this_order(schema: Schema) -> None:
    assert schema.column_names == ["employed", "bank_balance", "annual_salary"]
    assert schema.derived_names == ["saving_rate"]
    assert schema.feature_names == ["employed", "bank_balance", "annual_salary", "saving_rate"]


def test_the_default_declaration_reads_these_csv_headers(schema: Schema) -> None:
    assert [item.header for item in schema.columns] == ["Employed", "Bank Balance", "Annual Salary"]
    assert (schema.target.header, schema.target.positive, schema.id) == ("Defaulted?", 1, "Index")


def test_directions_of_risk_become_monotone_constraints(schema: Schema) -> None:
    assert schema.monotone_constraints == (0, 1, -1, 1)


def test_constraints_come_in_the_order_of_columns_then_derived_features() -> None:
    columns = [WORDS | column for column in COLUMNS]
    columns[0]["risk"], columns[3]["risk"] = "down", "up"
    derived = [WORDS | RATIO | {"name": "share", "risk": "up"}, WORDS | RATIO | {"name": "same", "risk": "down"}]
    assert declared(columns=columns, derived=derived).monotone_constraints == (-1, 0, 0, 1, 0, 1, -1)


def test_only_categories_have_no_order_for_xgboost() -> None:
    assert deriving(RATIO).feature_types == ["q", "q", "q", "q", "c", "q"]


def test_the_values_of_choices_are_told_in_words_and_numbers_stand_for_themselves() -> None:
    assert deriving(RATIO).words == {"owner": ["no", "yes"], "home": ["own", "rent"]}


def test_an_integer_column_has_an_integer_example(schema: Schema) -> None:
    assert [type(value) for value in schema.example.values()] == [int, float, float]


def test_the_example_has_each_column_as_a_caller_would_send_it() -> None:
    assert declared().example == {"income": 5.0, "debt": 5.0, "change": 5, "owner": True, "home": "rent"}


def test_every_mentioned_header_is_known() -> None:
    made = declared(
        columns=[WORDS | COLUMNS[0]],
        audit=[{"name": "age", "header": "Age", "description": "Age."}],
        ignored=[{"header": "", "reason": "A row number."}],
        id="Row",
    )
    assert made.headers == {"Income", "Age", "", "Bad", "Row"}
    assert declared(columns=[WORDS | COLUMNS[0]]).headers == {"Income", "Bad"}


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


def test_a_declaration_never_changes_once_read(schema: Schema) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(schema.columns[0], "risk", "up")  # noqa: B010  # mypy refuses the plain one


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
    schema = parse_schema(default_text("exclusive_minimum: 0", "minimum: 1"), "own.yaml")
    assert schema.columns[2].allowed == "a number ≥ 1"


def test_large_limits_are_written_out() -> None:
    schema = parse_schema(default_text("exclusive_minimum: 0", "minimum: 0.5\n    maximum: 1234567"), "own.yaml")
    assert schema.columns[2].allowed == "a number from 0.5 to 1234567"


NAMED: dict[str, dict[str, Any]] = {
    "columns": {"columns": [WORDS | COLUMNS[0], WORDS | COLUMNS[1] | {"name": "income"}]},
    "derived": {"derived": [WORDS | RATIO | {"name": "income"}]},
    "two derived": {"derived": [WORDS | RATIO | {"name": "income"}, WORDS | RATIO | {"name": "income"}]},
    "audit": {"audit": [{"name": "income", "header": "Other", "description": "X."}]},
}


@pytest.mark.parametrize("where", list(NAMED))
def test_a_name_is_declared_once(where: str) -> None:
    with pytest.raises(ValidationError, match="the name 'income' is declared twice"):
        declared(**NAMED[where])


def test_a_derived_feature_and_an_audit_column_have_different_names() -> None:
    ages = [{"name": "new_0", "header": "Age", "description": "Age."}]
    with pytest.raises(ValidationError, match="the name 'new_0' is declared twice"):
        declared(derived=[WORDS | RATIO | {"name": "new_0"}], audit=ages)


HEADED: dict[str, dict[str, Any]] = {
    "columns": {"columns": [WORDS | COLUMNS[0], WORDS | COLUMNS[1] | {"header": "Income"}]},
    "audit": {"audit": [{"name": "other", "header": "Income", "description": "X."}]},
    "ignored": {"ignored": [{"header": "Income", "reason": "Of no use."}]},
    "target": {"target": TARGET | {"header": "Income"}},
    "id": {"id": "Income"},
}


@pytest.mark.parametrize("where", list(HEADED))
def test_a_header_is_declared_once(where: str) -> None:
    with pytest.raises(ValidationError, match="the header 'Income' is declared twice"):
        declared(**HEADED[where])


def test_all_repeated_names_and_headers_are_named_in_one_go() -> None:
    with pytest.raises(ValidationError) as caught:
        declared(id="Bad", audit=[{"name": "debt", "header": "Debt", "description": "X."}])
    for text in ("the name 'debt'", "the header 'Debt'", "the header 'Bad'"):
        assert f"{text} is declared twice" in str(caught.value)


def test_headers_that_differ_in_case_are_two() -> None:
    assert {"Income", "income"} < declared(id="income").headers


@pytest.mark.parametrize(
    ("positive", "negative"),
    [(1, 0), (0, 1), ("bad", "good"), ("bad", "Bad"), (True, False), (1.5, 2), ("1", "0"), (1, None), ("yes", None)],
)
def test_labels_are_words_numbers_or_booleans(positive: object, negative: object) -> None:
    made = target(positive=positive, negative=negative)
    assert (made.positive, made.negative) == (positive, negative)
    assert type(made.positive) is type(positive)


def test_a_label_in_words_is_read_without_blanks_at_its_ends() -> None:
    made = target(positive=" bad ", negative="good\n")
    assert (made.positive, made.negative) == ("bad", "good")


@pytest.mark.parametrize(
    "keys",
    [{"positive": 1, "negative": 1}, {"negative": "bad"}, {"negative": " bad "}, {"positive": 1, "negative": 1.0}],
)
def test_positive_and_negative_differ(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="positive and negative must be different values"):
        target(**keys)


@pytest.mark.parametrize("label", [["bad"], [], {"bad": 1}, None, "", "  ", b"bad", ("bad",)])
def test_a_label_of_another_kind_is_refused(label: object) -> None:
    with pytest.raises(ValidationError, match="must be a word, a number, or true or false"):
        target(positive=label)


@pytest.mark.parametrize("label", [float("nan"), float("inf")])
def test_a_label_is_a_finite_number(label: float) -> None:
    with pytest.raises(ValidationError):
        target(positive=label)


@pytest.mark.parametrize(
    ("edges", "groups"),
    [
        ([], []),
        ([25], ["under 25", "25 and over"]),
        ([25, 40], ["under 25", "25 to under 40", "40 and over"]),
        ([-0.5, 0, 1.25], ["under -0.5", "-0.5 to under 0", "0 to under 1.25", "1.25 and over"]),
    ],
)
def test_edges_make_groups(edges: list[float], groups: list[str]) -> None:
    assert audit(edges=edges).group_labels == groups


@pytest.mark.parametrize("edges", [[2, 1], [1, 1], [1, 2, 2.0]])
def test_edges_rise(edges: list[float]) -> None:
    with pytest.raises(ValidationError, match="edges must rise"):
        audit(edges=edges)


@pytest.mark.parametrize("edges", [[float("nan")], [1, float("inf")], ["low"], 25])
def test_edges_are_finite_numbers(edges: object) -> None:
    with pytest.raises(ValidationError, match="edges"):
        audit(edges=edges)


def test_a_column_is_ignored_for_a_reason() -> None:
    after = {"header": "Recovered", "reason": "Known after the loan.", "known_at": "after"}
    assert declared(ignored=[after]).ignored[0].known_at == "after"
    with pytest.raises(ValidationError, match="reason"):
        declared(ignored=[{"header": "Recovered"}])


def test_a_csv_file_is_comma_separated_utf_8_unless_declared_otherwise() -> None:
    assert declared().csv == csv(separator=",", decimal=".", encoding="utf-8", missing_values=[])


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_fields_are_separated_by_one_of_four_marks(separator: str) -> None:
    assert csv(separator=separator).separator == separator


@pytest.mark.parametrize("separator", ["", ".", ":", ";;", " ", "\n", ";\n", None])
def test_fields_are_separated_by_nothing_else(separator: object) -> None:
    with pytest.raises(ValidationError, match="separator"):
        csv(separator=separator)


@pytest.mark.parametrize("decimal", ["", ";", "٫", None])
def test_decimals_are_marked_by_a_point_or_a_comma(decimal: object) -> None:
    with pytest.raises(ValidationError, match="decimal"):
        csv(separator=";", decimal=decimal)


def test_separator_and_decimal_differ() -> None:
    assert csv(separator=";", decimal=",").decimal == ","
    with pytest.raises(ValidationError, match="separator and decimal must differ"):
        csv(decimal=",")


@pytest.mark.parametrize(
    ("encoding", "name"), [("UTF8", "utf-8"), ("latin1", "iso8859-1"), ("Windows-1252", "cp1252"), ("utf-16", "utf-16")]
)
def test_an_encoding_goes_by_its_usual_name(encoding: str, name: str) -> None:
    assert csv(encoding=encoding).encoding == name


@pytest.mark.parametrize("encoding", ["utf-9", "", "é", "ansi?"])
def test_an_unknown_encoding_is_refused_with_a_hint(encoding: str) -> None:
    with pytest.raises(ValidationError, match=r"there is no encoding .*; try utf-8 or cp1252"):
        csv(encoding=encoding)


@pytest.mark.parametrize("encoding", ["base64", "hex", "zlib", "rot13"])
def test_a_codec_that_does_not_encode_text_is_refused(encoding: str) -> None:
    with pytest.raises(ValidationError, match="there is no encoding"):
        csv(encoding=encoding)


def test_a_missing_value_is_written_as_something() -> None:
    assert csv(missing_values=["NA", " ? "]).missing_values == ("NA", "?")
    with pytest.raises(ValidationError, match="missing_values"):
        csv(missing_values=[""])


@pytest.mark.parametrize("figure", list(StageGates.model_fields))
def test_a_gate_is_a_share(figure: str) -> None:
    for share in (0, 0.5, 1):
        assert getattr(StageGates.model_validate({figure: share}), figure) == share
    for other in (-0.001, 1.001, 80, float("nan"), "high"):
        with pytest.raises(ValidationError, match=figure):
            StageGates.model_validate({figure: other})


def test_a_stage_has_at_least_one_gate() -> None:
    with pytest.raises(ValidationError, match="declare at least one gate"):
        StageGates()


def test_an_empty_figure_is_no_gate() -> None:
    with pytest.raises(ValidationError, match="declare at least one gate"):
        StageGates.model_validate({"roc_auc": None})


def test_an_unknown_figure_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"auroc\n.*Extra inputs"):
        StageGates.model_validate({"auroc": 0.8})


@pytest.mark.parametrize("stage", ["production", "staging"])
def test_gates_are_for_both_stages(stage: str) -> None:
    gates = {"production": {"roc_auc": 0.8}, "staging": {"roc_auc": 0.7}}
    assert Gates.model_validate(gates).staging.recall is None
    with pytest.raises(ValidationError, match=stage):
        Gates.model_validate({name: figures for name, figures in gates.items() if name != stage})


def test_gates_are_optional() -> None:
    assert declared().gates is None


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"columns": []}, "at least 1 item"),
        ({"columns": None}, "columns"),
        ({"name": ""}, "name"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"version": 2}, "Extra inputs"),
    ],
)
def test_a_declaration_is_refused(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        declared(**changed)


def test_a_column_is_told_by_its_type() -> None:
    kinds: list[type[Column]] = [type(column) for column in declared().columns]
    assert [kind.__name__ for kind in kinds] == ["NumberColumn"] * 3 + ["BooleanColumn", "CategoryColumn"]


@pytest.mark.parametrize(
    ("segments", "named"),
    [
        ([{"column": "debt"}], r"line \d+, segments\.0\.column: the segment 'debt' is not a declared column"),
        ([{"column": "employed"}] * 2, r"line \d+, segments\.1\.column: the segment 'employed' is declared twice"),
        ([{"column": "bank_balance", "edges": [2, 1]}], "edges must rise"),
    ],
)
def test_a_segment_that_cannot_be_sliced_by_is_refused(segments: list[dict[str, object]], named: str) -> None:
    content = load_schema(DEFAULT_SCHEMA).model_dump(mode="json", exclude_none=True) | {"segments": segments}
    with pytest.raises(SchemaError, match=named):
        parse_schema(yaml.safe_dump(content), "segments.yaml")


def test_a_segment_of_numbers_has_edges() -> None:
    content = load_schema(DEFAULT_SCHEMA).model_dump() | {"segments": [{"column": "bank_balance", "edges": [1, 2]}]}
    (segment,) = Schema.model_validate(content).sliced_by
    assert (segment.header, segment.group_labels) == ("Bank Balance", ["under 1", "1 to under 2", "2 and over"])
