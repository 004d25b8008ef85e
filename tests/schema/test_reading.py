"""The declaration's file: what it reads as, and that every error is one line that names the line and the key."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_default.errors import SchemaError
from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema, parse_schema

ROOT = Path(__file__).resolve().parents[2]
BOTH = [DEFAULT_SCHEMA, ROOT / "examples" / "credit_data" / "credit_data.schema.yaml"]
TEXTS = [path.read_text(encoding="utf-8") for path in BOTH]

SMALL = """\
name: small
columns:
  - name: income
    header: Income
    type: number
    exclusive_minimum: 0
    unit: dollars
    description: Income.
    example: 5
    risk_reason: None.
  - name: home
    header: Home
    type: category
    categories: [own, rent]
    description: Home.
    example: own
    risk_reason: None.
  - {name: owner, header: Owner, type: boolean, description: O., example: true, risk_reason: None.}
derived:
  - name: size
    log: {of: income}
    description: Size.
    risk_reason: None.
target: {header: Bad, positive: bad, description: Bad.}
id: Row
audit:
  - {name: age, header: Age, description: Age., edges: [25, 35]}
ignored:
  - {header: Fee, reason: Never mind.}
csv: {separator: ";", decimal: ","}
gates:
  production: {roc_auc: 0.8}
  staging: {roc_auc: 0.7}
"""


def default_text(old: str = "", new: str = "") -> str:
    text = DEFAULT_SCHEMA.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


def complaint(text: str) -> str:
    """What is wrong with a declaration that is YAML."""
    with pytest.raises(SchemaError) as caught:
        parse_schema(text, "wrong.yaml")
    start, _, problems = caught.value.message.partition(": ")
    assert start == "wrong.yaml is not a valid declaration of columns"
    return problems


def complaint_about(old: str, new: str) -> str:
    """What is wrong with the small declaration after one replacement."""
    assert SMALL.count(old) == 1
    return complaint(SMALL.replace(old, new))


def test_the_small_declaration_is_fine() -> None:
    schema = parse_schema(SMALL, "small.yaml")
    assert schema.feature_names == ["income", "home", "owner", "size"]


@pytest.mark.parametrize("path", BOTH, ids=lambda path: str(path.name))
def test_json_is_a_declaration_too(path: Path) -> None:
    schema = load_schema(path)
    assert parse_schema(schema.model_dump_json(), "schema.json") == schema
    assert parse_schema(schema.model_dump_json(indent=2), "schema.json") == schema
    assert parse_schema(json.dumps(schema.model_dump(mode="json")), "schema.json") == schema


def test_the_small_declaration_reads_back_from_json() -> None:
    schema = parse_schema(SMALL, "small.yaml")
    assert parse_schema(schema.model_dump_json(), "small.json") == schema


def test_a_small_label_reads_back_from_json() -> None:
    schema = parse_schema(SMALL.replace("positive: bad", "positive: 0.0000001"), "small.yaml")
    assert parse_schema(schema.model_dump_json(), "small.json") == schema


@pytest.mark.parametrize("escape", ["\\x7f", "\\x85"])
def test_a_rare_character_reads_back_from_json(escape: str) -> None:
    schema = parse_schema(SMALL.replace("[own, rent]", f'[own, "a{escape}b"]'), "small.yaml")
    assert parse_schema(schema.model_dump_json(), "small.json") == schema


def test_an_escaped_character_reads_back_from_json() -> None:
    schema = parse_schema(SMALL.replace("[own, rent]", "[own, 😀]"), "small.yaml")
    assert parse_schema(json.dumps(schema.model_dump(mode="json")), "small.json") == schema


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
    assert named in complaint(default_text(old, new))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("name: small\n", "version: 2\n", "line 1, name: Field required; line 1, version: Extra inputs"),
        ("name: small", "name: ''", "line 1, name: String should have at least 1"),
        ("    header: Income\n", "", "line 3, columns.0.header: Field required"),
        ("name: income", "name: In come", "line 3, columns.0.name: String should match"),
        ("type: number", "type: text", "line 5, columns.0.type: must be number, integer, boolean or category"),
        ("    type: number\n", "", "line 3, columns.0.type: must be number, integer, boolean or category"),
        ("type: boolean", "type: [boolean]", "line 18, columns.2.type: must be number, integer, boolean or category"),
        ("unit: dollars", "Unit: dollars", "line 3, columns.0.unit: Field required"),
        ("unit: dollars", "Unit: dollars", "line 7, columns.0.Unit: Extra inputs"),
        ("example: 5", "example: five", "line 9, columns.0.example: Input should be a valid number"),
        ("example: 5", "example: 0", "line 3, columns.0: the example must be a number > 0"),
        ("example: own", "example: 7", "line 16, columns.1.example: write categories in quotes"),
        ("[own, rent]", "[own, no]", "line 14, columns.1.categories.1: write categories in quotes"),
        ("[own, rent]", "\n      - own\n      - no", "line 16, columns.1.categories.1: write categories in quotes"),
        ("[own, rent]", "own", "line 14, columns.1.categories: Input should be a valid tuple"),
        ("[own, rent]", "[own, own]", "line 11, columns.1: the category 'own' is declared twice"),
        ("example: true", "example: 1", "line 18, columns.2.example: Input should be a valid boolean"),
        ("type: boolean", "type: boolean, known_at: after", "line 18, columns.2: known_at: after"),
        ("name: size", "name: income", "line 20, derived.0.name: the name 'income' is declared twice"),
        ("{of: income}", "{of: debt}", "line 20, derived.0: derived feature 'size' uses 'debt'"),
        ("{of: income}", "{of: income, plus: -1}", "line 20, derived.0: derived feature 'size' takes the logarithm"),
        ("{of: income}", "{of: income, plus: x}", "line 21, derived.0.log.plus: Input should be a valid number"),
        ("    log: {of: income}\n", "", "line 20, derived.0: declare one of ratio, difference and log"),
        ("positive: bad", "positive: [bad]", "line 24, target.positive: must be a word, a number, or true or false"),
        ("positive: bad", "positive: bad, negative: bad", "line 24, target: positive and negative must be different"),
        ("id: Row", "id: 7", "line 25, id: Input should be a valid string"),
        ("id: Row", "id: Bad", "line 25, id: the header 'Bad' is declared twice"),
        ("header: Age", "header: Home", "line 27, audit.0.header: the header 'Home' is declared twice"),
        ("[25, 35]", "[35, 25]", "line 27, audit.0: edges must rise"),
        ("[25, 35]", "[25, old]", "line 27, audit.0.edges.1: Input should be a valid number"),
        (", reason: Never mind.", "", "line 29, ignored.0.reason: Field required"),
        ('";"', '"."', "line 30, csv.separator: String should match"),
        ('";"', '","', "line 30, csv: separator and decimal must differ"),
        ('decimal: ","', "encoding: utf-9", "line 30, csv.encoding: there is no encoding 'utf-9'"),
        ("roc_auc: 0.8", "roc_auc: 8", "line 32, gates.production.roc_auc: Input should be less than or equal to 1"),
        ("{roc_auc: 0.7}", "{auroc: 0.7}", "line 33, gates.staging.auroc: Extra inputs"),
        ("{roc_auc: 0.7}", "{}", "line 33, gates.staging: declare at least one gate"),
        ("  staging: {roc_auc: 0.7}\n", "", "line 31, gates.staging: Field required"),
        ("  staging: {roc_auc: 0.7}\n", "  7: x\n", "line 33, gates.7: Keys should be strings"),
    ],
)
def test_each_problem_is_named_by_line_and_key(old: str, new: str, named: str) -> None:
    found = complaint_about(old, new)
    assert named in found
    assert "\n" not in found


def test_all_wrong_keys_are_named_in_one_go() -> None:
    text = default_text("type: integer", "type: text").replace("positive: 1", "positive: []")
    with pytest.raises(SchemaError, match=r"line 10, columns\.0\.type: .*; line 49, target\.positive: "):
        parse_schema(text, "wrong.yaml")


def test_problems_in_every_part_come_together() -> None:
    text = SMALL
    for old, new in [("example: 5", "example: x"), ("edges: [25", "edges: [x"), ("roc_auc: 0.7", "roc_auc: 7")]:
        text = text.replace(old, new)
    named = ["line 9, columns.0.example", "line 27, audit.0.edges.0", "line 33, gates.staging.roc_auc"]
    assert [problem.split(":")[0] for problem in complaint(text).split("; ")] == named


def test_everything_declared_twice_comes_together() -> None:
    text = SMALL.replace("name: home", "name: income").replace("header: Fee", "header: Age").replace("of: inc", "of: x")
    named = ["line 11, columns.1.name", "line 29, ignored.0.header", "line 20, derived.0"]
    assert [problem.split(":")[0] for problem in complaint(text).split("; ")] == named


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("categories: [own, rent]", "category: [own, rent]", "line 14, columns.1.category: Extra inputs"),
        ("categories: [own, rent]", "category: [own, rent]", "line 11, columns.1.categories: Field required"),
        ("unit: dollars", "number: dollars", "line 7, columns.0.number: Extra inputs"),
    ],
)
def test_a_key_may_be_called_like_the_type_of_its_column(old: str, new: str, named: str) -> None:
    assert named in complaint_about(old, new)


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ("name: small", "name: small\nname: large", "line 2, ", "name"),
        ("unit: dollars", "unit: dollars\n    unit: cents", "line 8, ", "unit"),
        ("roc_auc: 0.8", 'roc_auc: 0.8, "roc_auc": 0.9', "line 32, ", "roc_auc"),
        ("{of: income}", "{of: income, of: income}", "line 21, ", "of"),
    ],
)
def test_a_key_that_stands_twice_is_refused(old: str, new: str, line: str, key: str) -> None:
    found = complaint_about(old, new)
    assert found.startswith(line)
    assert found.endswith(f"{key}: stands there twice")


def test_a_key_that_stands_twice_is_named_with_the_keys_above_it() -> None:
    problem = "line 8, columns.0.unit: stands there twice"
    assert complaint_about("unit: dollars", "unit: dollars\n    unit: cents") == problem


def test_every_key_that_stands_twice_is_named() -> None:
    text = SMALL.replace("id: Row", "id: Row\nid: Row\nid: Row").replace("name: small", "name: small\nname: small")
    assert complaint(text).count("stands there twice") == 3


def test_the_same_key_may_stand_in_two_mappings() -> None:
    shared = SMALL.replace("{roc_auc: 0.8}", "&floor {roc_auc: 0.8}").replace("{roc_auc: 0.7}", "*floor")
    gates = parse_schema(shared, "shared.yaml").gates
    assert gates is not None
    assert gates.staging == gates.production


def test_a_merged_mapping_may_be_overridden() -> None:
    shared = SMALL.replace("{roc_auc: 0.8}", "&floor {roc_auc: 0.8, f1: 0.1}")
    gates = parse_schema(shared.replace("{roc_auc: 0.7}", "{<<: *floor, roc_auc: 0.7}"), "merged.yaml").gates
    assert gates is not None
    assert (gates.staging.roc_auc, gates.staging.f1) == (0.7, 0.1)


@pytest.mark.parametrize("text", ["", "[]", "just words", "42", "null", "2026-01-01", "# only a comment", "---", "~"])
def test_a_file_that_declares_nothing_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match=r"empty\.yaml .*the whole file"):
        parse_schema(text, "empty.yaml")


def test_no_columns_at_all_are_refused(schema: Schema) -> None:
    content = schema.model_dump(mode="json") | {"columns": [], "derived": []}
    with pytest.raises(SchemaError, match=r"none\.json .*columns: "):
        parse_schema(json.dumps(content), "none.json")


INVALID = {
    "unclosed": "name: [",
    "two colons": "a: b: c",
    "tab": "\tname: x",
    "tab below a key": "target:\n\theader: x",
    "unknown alias": "&a *b",
    "deep lists": "[" * 5000,
    "deep closed lists": "[" * 5000 + "]" * 5000,
    "deep mappings": "{a: " * 5000,
    "python object": "!!python/object:os.system {}",
    "python name": "name: !!python/name:os.system",
    "python call": "!!python/object/apply:os.system [ls]",
    "unknown tag": "name: !secret x",
    "no text": "\x00",
    "no text inside": "name: a\x00b",
    "control character": "name: \x07",
    "day that does not exist": "name: 2026-13-45",
    "hour that does not exist": "name: 2026-01-01 25:00:00",
    "number too long": "1" * 5000,
    "character that does not exist": '"\\U00110000"',
    "list as a key": "? [a]\n: b",
    "two documents": "--- a\n--- b",
    "merged word": "<<: x",
    "value sign": "- =",
    "byte mark inside": "name: !!binary é",
}


@pytest.mark.parametrize("text", ["&a [*a]", "&a {name: *a}", "columns: &a\n  - *a"])
def test_an_alias_of_itself_is_no_declaration(text: str) -> None:
    with pytest.raises(SchemaError, match=r"^broken\.yaml is not a valid declaration"):
        parse_schema(text, "broken.yaml")


@pytest.mark.timeout(20)
def test_aliases_of_aliases_are_looked_at_once() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    with pytest.raises(SchemaError, match="Extra inputs"):
        parse_schema(bomb, "bomb.yaml")


@pytest.mark.parametrize("text", INVALID.values(), ids=list(INVALID))
def test_invalid_yaml_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match=r"^broken\.yaml is not valid YAML: ") as caught:
        parse_schema(text, "broken.yaml")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "text", ['!!int ""', '!!int "-"', '!!float ""', "!!bool maybe", "!!timestamp today", '"\\Uffffffff"']
)
def test_a_tag_that_does_not_fit_its_value_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match=r"^broken\.yaml is not valid YAML: "):
        parse_schema(f"name: {text}", "broken.yaml")


def test_a_key_of_two_lines_is_refused_in_one() -> None:
    with pytest.raises(SchemaError) as caught:
        parse_schema('"two\\nlines": 1', "broken.yaml")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("value", ["2026-01-01", "!!set {a, b}", "{a: b}", "[a]", "null", "1.5", "no"])
def test_a_header_that_is_no_word_is_refused(value: str) -> None:
    assert "line 4, columns.0.header: Input" in complaint_about("header: Income", f"header: {value}")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"Cannot read the declaration of columns .*none\.yaml"):
        load_schema(tmp_path / "none.yaml")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="Cannot read the declaration of columns"):
        load_schema(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    with pytest.raises(SchemaError, match=r"latin\.yaml"):
        load_schema(tmp_path / "latin.yaml")


def test_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("name: x", encoding="utf-8")
    with pytest.raises(SchemaError, match=r"own\.yaml is not a valid declaration of columns: line 1, columns"):
        load_schema(tmp_path / "own.yaml")


def parses_or_is_refused(text: str) -> None:
    try:
        parse_schema(text, "any.yaml")
    except SchemaError as error:
        assert error.message.startswith("any.yaml is not ")  # noqa: PT017  # a declaration by chance is fine


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_declaration_or_refused(text: str) -> None:
    parses_or_is_refused(text)


TOKENS = [
    "name",
    "columns",
    "target",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "&a ",
    "*a",
    '"',
    "'",
    "|",
    ">",
]
MORE_TOKENS = [
    "? ",
    "<<: ",
    "!!set ",
    "!x ",
    "~",
    "1",
    "-.5",
    "2026-01-01",
    "#",
    "%YAML 1.1",
    "---",
    "\t",
    "é",
    "\\u12",
    "no",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(TOKENS + MORE_TOKENS), max_size=25).map("".join))
def test_any_pieces_of_yaml_are_a_declaration_or_refused(text: str) -> None:
    parses_or_is_refused(text)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_slip_in_a_declaration_is_fine_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(SMALL)))
    until = data.draw(st.integers(at, min(at + 12, len(SMALL))))
    slip = data.draw(st.one_of(st.text(max_size=5), st.sampled_from(TOKENS + MORE_TOKENS)))
    parses_or_is_refused(SMALL[:at] + slip + SMALL[until:])


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.sampled_from(list(Schema.model_fields)), JSON_VALUES)
def test_any_value_of_a_key_is_fine_or_refused(key: str, value: object) -> None:
    content = parse_schema(SMALL, "small.yaml").model_dump(mode="json")
    parses_or_is_refused(json.dumps(content | {key: value}))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(SMALL.splitlines()) - 1))
def test_a_declaration_without_one_of_its_lines_is_fine_or_refused(line: int) -> None:
    lines = SMALL.splitlines(keepends=True)
    parses_or_is_refused("".join(lines[:line] + lines[line + 1 :]))


@pytest.mark.parametrize("text", TEXTS, ids=["default", "credit_data"])
def test_blank_lines_comments_and_windows_line_ends_change_nothing(text: str) -> None:
    schema = parse_schema(text, "own.yaml")
    assert parse_schema("# A comment.\n\n" + text.replace("\n", "\r\n") + "\n\n", "own.yaml") == schema
