"""A first declaration: what it guesses of a file, and that it can be trained on as it is."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loan_default.errors import DataError
from loan_default.schema import Schema, parse_schema
from loan_default.schema.columns import BooleanColumn, CategoryColumn, NumberColumn
from loan_default.training.checks import findings
from loan_default.training.data import read_dataset
from loan_default.training.infer import infer

ROWS = 400


Columns: TypeAlias = Mapping[str, Sequence[object]]


def write(folder: Path, columns: Columns, separator: str = ",", encoding: str = "utf-8") -> Path:
    """A CSV file with these columns, and an outcome called Default unless they have one."""
    generator = np.random.default_rng(0)
    default = generator.integers(0, 5, ROWS).clip(max=1).tolist()
    more = {"Default": default, "Amount": (generator.integers(1000, 99999, ROWS) / 100).tolist()}
    columns = {**columns, **{name: values for name, values in more.items() if name not in columns}}
    lines = [separator.join(columns), *(separator.join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path = folder / "loans.csv"
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def declared(path: Path, target: str | None = None) -> Schema:
    return parse_schema(infer(path, target), "loans.schema.yaml")


def choices(*words: object) -> list[object]:
    return [words[i % len(words)] for i in np.random.default_rng(1).integers(0, len(words), ROWS)]


def column(schema: Schema, header: str) -> NumberColumn | BooleanColumn | CategoryColumn:
    return next(column for column in schema.columns if column.header == header)


def test_the_default_data_are_declared_much_as_they_are(schema: Schema) -> None:
    found = declared(Path("data/Default_Fin.csv"))
    assert (found.column_names, found.id) == (schema.column_names, "Index")
    assert [each.type for each in found.columns] == [each.type for each in schema.columns]
    assert found.target.header == "Defaulted?"
    assert (found.target.positive, found.target.negative) == (1, 0)


def test_real_loans_can_be_trained_on_as_they_are_declared(credit_csv: Path) -> None:
    found = declared(credit_csv)
    data = read_dataset(credit_csv, found)
    assert not [finding for finding in findings(data, found) if finding.refused]
    assert (len(data), int(data.target.sum())) == (4454, 1254)
    assert (found.target.positive, found.target.negative, found.id) == ("bad", "good", "Row")
    assert [audit.header for audit in found.audit] == ["Age", "Marital"]
    assert {each.header for each in found.columns if each.may_be_missing} == {"Home", "Job", "Income", "Assets", "Debt"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (choices(1, 2, 3), "integer"),
        (choices(1.5, 2, 3), "number"),
        (list(range(5000, 5000 + 7 * ROWS, 7))[::-1], "number"),
        (choices("true", "false"), "boolean"),
        (choices("red", "green"), "category"),
        (choices("yes", "no"), "category"),
    ],
)
def test_types_are_seen_in_the_values(tmp_path: Path, values: list[object], kind: str) -> None:
    assert column(declared(write(tmp_path, {"Thing": values})), "Thing").type == kind


def test_words_are_listed_as_they_stand(tmp_path: Path) -> None:
    found = column(declared(write(tmp_path, {"Thing": choices("no", "1a", "Ü b")})), "Thing")
    assert isinstance(found, CategoryColumn)
    assert found.categories == ("1a", "no", "Ü b")


def test_a_number_may_be_negative_when_one_is(tmp_path: Path) -> None:
    found = declared(write(tmp_path, {"Plus": choices(0, 1.5), "Minus": choices(-1.5, 2)}))
    limits = {each.header: each.minimum for each in found.columns if isinstance(each, NumberColumn)}
    assert limits == {"Plus": 0, "Minus": None, "Amount": 0}


@pytest.mark.parametrize("mark", ["NA", "NULL", "?", "n/a", "-", "unknown"])
def test_marks_for_missing_numbers_are_declared(tmp_path: Path, mark: str) -> None:
    path = write(tmp_path, {"Thing": choices(1, 2, 3, mark)})
    found = declared(path)
    assert found.csv.missing_values == (mark,)
    assert column(found, "Thing").may_be_missing
    assert np.isnan(read_dataset(path, found).applicants[:, 0]).any()


def test_a_word_that_may_be_a_category_is_no_mark(tmp_path: Path) -> None:
    found = declared(write(tmp_path, {"Savings": choices("none", "some", "much")}))
    assert found.csv.missing_values == ()


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), ("\t", "cp1252"), ("|", "utf-8")])
def test_separator_and_encoding_are_declared(tmp_path: Path, separator: str, encoding: str) -> None:
    found = declared(write(tmp_path, {"Wohnung": choices("Miete", "eigen", "bei Müttern")}, separator, encoding))
    assert (found.csv.separator, found.csv.encoding) == (separator, encoding)
    assert column(found, "Wohnung").type == "category"


def test_a_decimal_comma_is_declared(tmp_path: Path) -> None:
    path = write(tmp_path, {"Betrag": choices("1,5", "2,25", "3"), "Amount": choices("9,5", "7")}, ";")
    found = declared(path)
    assert found.csv.decimal == ","
    assert column(found, "Betrag").type == "number"
    assert set(read_dataset(path, found).applicants[:, 0]) == {1.5, 2.25, 3}


@pytest.mark.parametrize("header", ["id", "Loan ID", "row", "rownames", "customerId", "account_no"])
def test_an_id_is_known_by_its_name(tmp_path: Path, header: str) -> None:
    numbers = [int(number) for number in np.random.default_rng(2).permutation(ROWS)]
    assert declared(write(tmp_path, {header: numbers})).id == header


def test_a_counter_is_an_id_whatever_its_name(tmp_path: Path) -> None:
    assert declared(write(tmp_path, {"thing": list(range(ROWS))})).id == "thing"


def test_a_column_without_a_name_that_counts_is_ignored(tmp_path: Path) -> None:
    found = declared(write(tmp_path, {"": list(range(ROWS))}))
    assert [each.header for each in found.ignored] == [""]


@pytest.mark.parametrize("header", ["Age", "SEX", "gender", "Marital Status", "applicant_age", "nationality"])
def test_what_the_law_keeps_out_of_many_decisions_becomes_an_audit_column(tmp_path: Path, header: str) -> None:
    found = declared(write(tmp_path, {header: choices(20, 30, 40, 50)}))
    assert [each.header for each in found.audit] == [header]
    assert header not in {each.header for each in found.columns}


@pytest.mark.parametrize("header", ["Agency", "Sextant", "Mileage", "Racecourse debts"])
def test_a_name_that_only_begins_alike_is_an_ordinary_column(tmp_path: Path, header: str) -> None:
    assert column(declared(write(tmp_path, {header: choices(1.5, 2, 3)})), header).type == "number"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([7] * ROWS, "the same in every row"),
        ([""] * ROWS, "empty in every row"),
        ([f"2024-01-{1 + i % 28:02}" for i in range(ROWS)], "a date"),
        ([f"word {i % 150}" for i in range(ROWS)], "150 different words"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_ignored_with_the_reason(
    tmp_path: Path, values: list[object], reason: str
) -> None:
    (only,) = declared(write(tmp_path, {"Thing": values})).ignored
    assert reason in only.reason


def test_many_categories_with_many_rows_each_leave_the_rare_ones_to_missing(tmp_path: Path) -> None:
    rows = 3000
    towns = [f"town {int(i)}" for i in np.random.default_rng(3).integers(0, 60, rows)]
    target = [i % 7 == 0 for i in range(rows)]
    found = column(
        declared(write(tmp_path, {"Town": towns, "Default": target, "Amount": [1.5, 2] * (rows // 2)})), "Town"
    )
    assert isinstance(found, CategoryColumn)
    assert (len(found.categories), found.unknown) == (50, "missing")


def test_a_column_that_gives_the_outcome_away_is_ignored_as_known_after(tmp_path: Path) -> None:
    target = choices(0, 0, 0, 1)
    recovered = [float(i % 50 + 1) if bad else 0.0 for i, bad in enumerate(target)]
    (only,) = declared(write(tmp_path, {"Default": target, "Recovered": recovered})).ignored
    assert (only.header, only.known_at) == ("Recovered", "after")


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["good", "good", "bad"], "bad"),
        (["Charged Off", "Fully Paid", "Fully Paid"], "Charged Off"),
        (["1", "2", "1"], 2),
        (["N", "Y", "N"], "Y"),
        (["0", "1", "1"], 1),
    ],
)
def test_the_value_that_means_default_is_guessed(tmp_path: Path, values: list[object], positive: object) -> None:
    outcome = [values[i % 3] for i in range(ROWS)]
    assert declared(write(tmp_path, {"Default": outcome})).target.positive == positive


def test_the_target_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, {"Won": choices("x", "y")})
    assert declared(path).target.header == "Default"
    assert declared(path, "Won").target.header == "Won"


@pytest.mark.parametrize(
    ("target", "complaint"),
    [("Nothing", "has no column 'Nothing'; it has 'Default', 'Amount'"), (None, "name it with --target")],
)
def test_a_target_that_cannot_be_is_a_clear_error(tmp_path: Path, target: str | None, complaint: str) -> None:
    path = write(tmp_path, {"Default": [1] * ROWS})
    with pytest.raises(DataError, match=complaint):
        infer(path, target)


@pytest.mark.parametrize(
    ("content", "complaint"), [("", "is empty"), ("a,b\n", "no rows"), ("a\n1\n0\n", "beside the")]
)
def test_a_file_with_nothing_in_it_is_a_clear_error(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "loans.csv").write_text(content)
    with pytest.raises(DataError, match=complaint):
        infer(tmp_path / "loans.csv")


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Cannot read"):
        infer(tmp_path / "none.csv")


CELLS = st.sampled_from(
    ["a", "b", "1", "0", "2.5", "", "NA", "true", "no", '"q,\nz"', "é", "-", " ", '"', ";", "\r", "2024-01-01"]
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=12))
def test_any_file_gets_a_valid_declaration_or_a_clear_error(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes("\n".join(",".join(row) for row in rows).encode())
    with contextlib.suppress(DataError):
        found = declared(path)
        read_dataset(path, found)


def test_headers_become_names_that_the_api_can_have(tmp_path: Path) -> None:
    values = choices(1.5, 2)
    headers = {"Loan Amount ($)": values, "loan amount": values, "2nd income": values, "DTI%": values, "金額": values}
    assert declared(write(tmp_path, headers)).column_names == [
        "loan_amount",
        "loan_amount_2",
        "column_2nd_income",
        "dti",
        "column",
        "amount",
    ]


def test_gates_start_from_the_base_rate(tmp_path: Path) -> None:
    gates = declared(write(tmp_path, {"Default": [i % 4 == 0 for i in range(ROWS)]})).gates
    assert gates is not None
    assert gates.production.brier == 0.188  # ¼ × ¾
    assert gates.production.calibration_error == pytest.approx(0.123)  # 2 × √(2/π · ¼ · ¾ / 32), rounded up
