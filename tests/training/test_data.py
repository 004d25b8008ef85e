"""Reading training data: the default file, a lender's own columns, and every wrong file refused with help."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from examples.credit_data.fetch import fetch
from loan_default.errors import DataError
from loan_default.schema import Schema, load_schema
from loan_default.schema.declaration import CsvFormat
from loan_default.training.data import Dataset, read_dataset

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "credit_data" / "credit_data.schema.yaml"
HEADER = "Index,Employed,Bank Balance,Annual Salary,Defaulted?\n"
GOOD = "1,1,100,1000,0\n2,0,200.5,2000,1\n"


def read(folder: Path, schema: Schema, content: str | bytes) -> Dataset:
    path = folder / "loans.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_dataset(path, schema)


def refusal(folder: Path, schema: Schema, content: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, schema, content)
    assert str(folder / "loans.csv") in caught.value.message
    return caught.value.message


def test_the_default_data_have_these_counts(dataset: Dataset) -> None:
    assert (len(dataset), int(dataset.target.sum()), int(dataset.applicants[:, 0].sum())) == (10_000, 333, 7_056)
    assert dataset.sha256 == "6732941eb6cdca64159a63e9b966940e0c1365c3f727402d1150818464e14173"


def test_values_are_read_in_the_order_of_the_schema(tmp_path: Path, schema: Schema) -> None:
    data = read(tmp_path, schema, "Defaulted?,note,Annual Salary,Bank Balance,Employed\n1,a,1000,100,1\n0,,2e3,.5,0\n")
    assert data.applicants.tolist() == [[1, 100, 1000], [0, 0.5, 2000]]
    assert data.target.tolist() == [1, 0]
    assert (data.applicants.dtype.name, data.target.dtype.name) == ("float64", "int64")


def test_the_checksum_is_the_files(tmp_path: Path, schema: Schema) -> None:
    assert read(tmp_path, schema, HEADER + GOOD).sha256 == hashlib.sha256((HEADER + GOOD).encode()).hexdigest()


@pytest.mark.parametrize(
    "content", ["\ufeff" + HEADER + GOOD, (HEADER + GOOD).replace("\n", "\r\n"), HEADER + GOOD[:-1]]
)
def test_a_bom_windows_line_ends_and_no_last_line_end_are_fine(tmp_path: Path, schema: Schema, content: str) -> None:
    assert read(tmp_path, schema, content).applicants.tolist() == [[1, 100, 1000], [0, 200.5, 2000]]


def test_rows_picks_rows(tmp_path: Path, schema: Schema) -> None:
    chosen = read(tmp_path, schema, HEADER + GOOD).rows(np.array([False, True]))
    assert (len(chosen), chosen.applicants.tolist(), chosen.target.tolist()) == (1, [[0, 200.5, 2000]], [1])


def test_a_missing_file_is_refused(tmp_path: Path, schema: Schema) -> None:
    with pytest.raises(DataError, match=r"There is no file .*none\.csv"):
        read_dataset(tmp_path / "none.csv", schema)


def test_a_folder_is_no_file(tmp_path: Path, schema: Schema) -> None:
    with pytest.raises(DataError, match="There is no file"):
        read_dataset(tmp_path, schema)


@pytest.mark.parametrize("content", ["", "\n", "\n\n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, schema: Schema, content: str) -> None:
    assert "is empty" in refusal(tmp_path, schema, content)


def test_a_header_alone_is_refused(tmp_path: Path, schema: Schema) -> None:
    assert "has a header but no rows" in refusal(tmp_path, schema, HEADER)


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path, schema: Schema) -> None:
    message = refusal(tmp_path, schema, "Employed,Bank Balance,Defaulted?\n1,100,0\n")
    assert "lacks the column 'Annual Salary'; it has 'Employed', 'Bank Balance', 'Defaulted?'" in message


def test_all_missing_columns_are_named(tmp_path: Path, schema: Schema) -> None:
    message = refusal(tmp_path, schema, "employed,Bank Balance\n1,100\n")
    assert "lacks the columns 'Employed', 'Annual Salary', 'Defaulted?'" in message


def test_another_separator_shows_in_the_columns_there_are(tmp_path: Path, schema: Schema) -> None:
    assert "it has 'Index;Employed;" in refusal(tmp_path, schema, (HEADER + GOOD).replace(",", ";"))


@pytest.mark.parametrize(
    "value", ["lots", "", " ", "NaN", "nan", "NA", "inf", "-inf", "1e999", "-1", "-5e-324", "1_0", "0x1"]
)
def test_a_balance_that_is_none_is_refused_by_column_count_and_line(tmp_path: Path, schema: Schema, value: str) -> None:
    message = refusal(tmp_path, schema, f"{HEADER}{GOOD}3,1,{value},1000,0\n")
    assert f"'Bank Balance' must be a number ≥ 0, but 1 of 3 rows are not ({value.strip()!r} in line 4)" in message


@pytest.mark.parametrize("value", ["0", "-0.0", "-1", "", "nan", "much"])
def test_a_salary_that_is_none_is_refused(tmp_path: Path, schema: Schema, value: str) -> None:
    message = refusal(tmp_path, schema, f"{HEADER}{GOOD}3,1,100,{value},0\n")
    assert f"'Annual Salary' must be a number > 0, but 1 of 3 rows are not ({value.strip()!r} in line 4)" in message


@pytest.mark.parametrize("value", ["0.5", "2", "-1", "yes", "True", ""])
def test_employed_is_0_or_1(tmp_path: Path, schema: Schema, value: str) -> None:
    message = refusal(tmp_path, schema, f"{HEADER}{GOOD}3,{value},100,1000,0\n")
    assert (
        f"'Employed' must be an integer from 0 to 1, but 1 of 3 rows are not ({value.strip()!r} in line 4)" in message
    )


@pytest.mark.parametrize("value", ["2", "-1", "0.5", "No", "True", "", "nan"])
def test_the_target_is_0_or_1(tmp_path: Path, schema: Schema, value: str) -> None:
    message = refusal(tmp_path, schema, f"{HEADER}{GOOD}3,1,100,1000,{value}\n")
    assert f"'Defaulted?' must be 0 or 1, but 1 of 3 rows are not ({value.strip()!r} in line 4)" in message


@pytest.mark.parametrize(("target", "kind"), [(0, "no default"), (1, "a default")])
def test_one_class_alone_is_refused(tmp_path: Path, schema: Schema, target: int, kind: str) -> None:
    message = refusal(tmp_path, schema, f"{HEADER}1,1,100,1000,{target}\n2,0,200,2000,{target}\n")
    assert f"every row of 'Defaulted?' is {kind}" in message


def test_all_problems_are_told_in_one_go(tmp_path: Path, schema: Schema) -> None:
    message = refusal(tmp_path, schema, f"{HEADER}1,7,-100,0,9\n{GOOD}2,x,100,nan,1\n")
    assert (
        "'Employed' must be an integer from 0 to 1, but 2 of 4 rows are not ('7' in line 2, 'x' in line 5)" in message
    )
    assert "'Bank Balance' must be a number ≥ 0, but 1 of 4 rows are not ('-100' in line 2)" in message
    assert "'Annual Salary' must be a number > 0, but 2 of 4 rows are not ('0' in line 2, 'nan' in line 5)" in message
    assert "'Defaulted?' must be 0 or 1, but 1 of 4 rows are not ('9' in line 2)" in message


def test_each_wrong_value_is_shown_once_with_its_first_line(tmp_path: Path, schema: Schema) -> None:
    message = refusal(tmp_path, schema, HEADER + GOOD * 600 + "1,5,100,1000,0\n1,6,100,1000,0\n" * 750)
    assert "1,500 of 2,700 rows are not ('5' in line 1202, '6' in line 1203)" in message


@pytest.mark.parametrize(
    "content",
    [
        (HEADER + GOOD + "é").encode("latin-1"),
        (HEADER + GOOD).encode("utf-16"),
        bytes(range(256)),
        (HEADER + GOOD + "3,1,100,1000,0,extra,fields\n").encode(),
        (HEADER + GOOD + '"3,1,100,1000,0\n').encode(),
    ],
    ids=["latin-1", "utf-16", "binary", "a longer line", "an open quote"],
)
def test_a_file_that_is_no_utf_8_csv_is_refused(tmp_path: Path, schema: Schema, content: bytes) -> None:
    assert "is not a readable UTF-8 CSV file" in refusal(tmp_path, schema, content)


def test_a_shorter_line_lacks_values(tmp_path: Path, schema: Schema) -> None:
    message = refusal(tmp_path, schema, HEADER + GOOD + "3,1,100\n")
    assert "'Annual Salary' must be a number > 0, but 1 of 3 rows are not" in message
    assert "'Defaulted?' must be 0 or 1, but 1 of 3 rows are not" in message


def test_an_empty_field_at_the_end_of_every_line_changes_nothing(tmp_path: Path, schema: Schema) -> None:
    path = tmp_path / "data.csv"
    path.write_text(HEADER + GOOD.replace("\n", ",\n"))
    padded = read_dataset(path, schema)
    path.write_text(HEADER + GOOD)
    plain = read_dataset(path, schema)
    assert (padded.applicants.tolist(), padded.target.tolist()) == (plain.applicants.tolist(), plain.target.tolist())


def test_more_fields_than_columns_are_refused_rather_than_shifted(tmp_path: Path, schema: Schema) -> None:
    assert "is not a readable UTF-8 CSV file" in refusal(tmp_path, schema, HEADER + GOOD.replace("\n", ",9\n"))


def test_a_column_that_stands_twice_is_refused(tmp_path: Path, schema: Schema) -> None:
    content = (HEADER + GOOD).replace("\n", ",1\n").replace("Defaulted?,1", "Defaulted?,Employed")
    assert "more than one column called 'Employed'" in refusal(tmp_path, schema, content)


def test_blank_lines_are_skipped_and_counted(tmp_path: Path, schema: Schema) -> None:
    assert "'much' in line 6" in refusal(tmp_path, schema, HEADER + GOOD + "\n\n3,1,much,1000,0\n")


def test_one_class_is_reported_beside_other_problems(tmp_path: Path, schema: Schema) -> None:
    message = refusal(tmp_path, schema, HEADER + "1,1,much,1000,0\n")
    assert "'much' in line 2" in message
    assert "a model needs both" in message


def test_the_file_name_says_nothing_about_compression(tmp_path: Path, schema: Schema) -> None:
    path = tmp_path / "data.csv.zip"
    path.write_text(HEADER + GOOD)
    assert len(read_dataset(path, schema)) == 2


# From here on: columns that a lender declares.


def number(**declared: Any) -> dict[str, Any]:
    rest = {"name": "x", "header": "X", "type": "number", "unit": "$", "description": "X.", "risk_reason": "None."}
    return {"example": 5, **rest, **declared}


def flag(**declared: Any) -> dict[str, Any]:
    rest = {"name": "x", "header": "X", "type": "boolean", "description": "X.", "risk_reason": "None."}
    return {"example": True, **rest, **declared}


def choice(**declared: Any) -> dict[str, Any]:
    rest = {"name": "x", "header": "X", "type": "category", "description": "X.", "risk_reason": "None."}
    return {"categories": ["rent", "own"], "example": "own", **rest, **declared}


def own(*columns: dict[str, Any], **rest: Any) -> Schema:
    """A declaration of these columns; the target is `Bad`, 1 or 0, unless told otherwise."""
    target = {"header": "Bad", "positive": 1, "negative": 0, "description": "Bad."}
    return Schema.model_validate({"name": "own", "columns": columns, "target": target, **rest})


def target(**declared: Any) -> dict[str, Any]:
    return {"header": "Bad", "description": "Bad.", **declared}


def column_file(texts: list[str]) -> str:
    """A file with these texts in the column X and two rows of either class above them."""
    return "".join(["X,Bad\n", *(f"{text},{i % 2}\n" for i, text in enumerate(texts))])


def values(folder: Path, column: dict[str, Any], texts: list[str], **rest: Any) -> list[float | None]:
    """The column X as it was read; None where it is missing."""
    read_values = read(folder, own(column, **rest), column_file(texts)).applicants[:, 0]
    return [None if np.isnan(value) else float(value) for value in read_values]


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "t", "T", "yes", "Yes", "YES", "y", "1", "1.0", " yes "])
def test_these_words_are_true(tmp_path: Path, word: str) -> None:
    assert values(tmp_path, flag(), [word, "0"]) == [1, 0]


@pytest.mark.parametrize("word", ["false", "False", "FALSE", "f", "F", "no", "No", "NO", "n", "0", "0.0", " no "])
def test_these_words_are_false(tmp_path: Path, word: str) -> None:
    assert values(tmp_path, flag(), [word, "1"]) == [0, 1]


@pytest.mark.parametrize("word", ["on", "off", "ja", "2", "-1", "0.5", "1.00", "x", "yes.", "null", ""])
def test_no_other_word_is_true_or_false(tmp_path: Path, word: str) -> None:
    message = refusal(tmp_path, own(flag()), column_file(["1", "0", word]))
    assert f"'X' must be true or false, but 1 of 3 rows are not ({word!r} in line 4)" in message


def test_a_category_is_its_place_in_the_declared_list(tmp_path: Path) -> None:
    assert values(tmp_path, choice(), ["own", "rent", " own\t", "rent"]) == [1, 0, 1, 0]


def test_categories_are_told_apart_by_letter_case(tmp_path: Path) -> None:
    message = refusal(tmp_path, own(choice()), column_file(["own", "Own", "rent", "RENT", "own", "Own", "?"]))
    assert (
        "'X' must be one of 'rent', 'own', but 4 of 7 rows are not ('Own' in line 3, 'RENT' in line 5, '?' in line 8)"
        in message
    )


def test_categories_may_look_like_numbers_and_stay_words(tmp_path: Path) -> None:
    grades = choice(categories=["007", "7"], example="7")
    assert values(tmp_path, grades, ["7", "007"]) == [1, 0]
    assert "'7.0' in line 2" in refusal(tmp_path, own(grades), column_file(["7.0", "7"]))


def test_unknown_categories_may_be_declared_to_count_as_missing(tmp_path: Path) -> None:
    assert values(tmp_path, choice(unknown="missing"), ["own", "boat", "rent", "Own"]) == [1, None, 0, None]


def test_an_unknown_category_that_counts_as_missing_makes_no_gap_allowed(tmp_path: Path) -> None:
    message = refusal(tmp_path, own(choice(unknown="missing")), column_file(["own", "boat", "", "rent"]))
    assert "but 1 of 4 rows are not ('' in line 4)" in message


def test_a_gap_that_is_allowed_makes_no_unknown_category_allowed(tmp_path: Path) -> None:
    message = refusal(tmp_path, own(choice(may_be_missing=True)), column_file(["own", "boat", "", "rent"]))
    assert "'X' must be one of 'rent', 'own', or empty, but 1 of 4 rows are not ('boat' in line 3)" in message


@pytest.mark.parametrize(
    ("column", "texts", "expected"),
    [
        (number(), ["1.5", "", "2"], [1.5, None, 2]),
        (number(type="integer"), ["1", " ", "2.0"], [1, None, 2]),
        (number(type="integer", minimum=1, maximum=9), ["1", "NA", "9"], [1, None, 9]),
        (flag(), ["yes", "?", "no"], [1, None, 0]),
        (choice(), ["rent", "n/a", "own"], [0, None, 1]),
    ],
    ids=["number", "integer", "limits", "boolean", "category"],
)
def test_a_gap_is_nan_where_the_column_may_be_missing(
    tmp_path: Path, column: dict[str, Any], texts: list[str], expected: list[float | None]
) -> None:
    written = {"missing_values": ["NA", "?", "n/a"]}
    assert values(tmp_path, column | {"may_be_missing": True}, texts, csv=written) == expected


@pytest.mark.parametrize("column", [number(), number(type="integer"), flag(), choice()], ids=lambda c: str(c["type"]))
@pytest.mark.parametrize("gap", ["", "NA"])
def test_a_gap_is_refused_where_the_column_may_not_be_missing(tmp_path: Path, column: dict[str, Any], gap: str) -> None:
    good = {"boolean": "1", "category": "own"}.get(column["type"], "1")
    schema = own(column, csv={"missing_values": ["NA"]})
    message = refusal(tmp_path, schema, column_file([good, good, gap]))
    assert f"but 1 of 3 rows are not ({gap!r} in line 4)" in message


@pytest.mark.parametrize("column", [number(), flag(), choice()], ids=lambda c: str(c["type"]))
@pytest.mark.parametrize("word", ["NA", "nan", "NULL", "None"])
def test_a_word_for_missing_counts_only_when_it_is_declared(tmp_path: Path, column: dict[str, Any], word: str) -> None:
    good = {"boolean": "1", "category": "own"}.get(column["type"], "1")
    message = refusal(tmp_path, own(column | {"may_be_missing": True}), column_file([good, good, word]))
    assert f"or empty, but 1 of 3 rows are not ({word!r} in line 4)" in message


def test_a_declared_word_for_missing_is_taken_exactly(tmp_path: Path) -> None:
    schema = own(number(may_be_missing=True), csv={"missing_values": ["NA"]})
    assert "('na' in line 4)" in refusal(tmp_path, schema, column_file(["1", "NA", "na"]))


@pytest.mark.parametrize("code", ["-999", "0"])
def test_a_number_may_stand_for_missing_and_breaks_no_limit(tmp_path: Path, code: str) -> None:
    column = number(minimum=1, may_be_missing=True)
    assert values(tmp_path, column, ["7", code], csv={"missing_values": [code]}) == [7, None]


@pytest.mark.parametrize("text", ["1.5", "0.1", "-0.5", "1e-3"])
def test_an_integer_that_is_not_whole_is_refused(tmp_path: Path, text: str) -> None:
    message = refusal(tmp_path, own(number(type="integer")), column_file(["1", "2", text]))
    assert f"'X' must be an integer, but 1 of 3 rows are not ({text!r} in line 4)" in message


@pytest.mark.parametrize("text", ["3", "3.0", "3.", "3e0", "+3", "003"])
def test_a_whole_number_may_be_written_in_any_way(tmp_path: Path, text: str) -> None:
    assert values(tmp_path, number(type="integer"), [text, "1"]) == [3, 1]


@pytest.mark.parametrize(
    ("limits", "good", "wrong"),
    [
        ({"minimum": 1}, "1", "0.999"),
        ({"exclusive_minimum": 1}, "1.001", "1"),
        ({"maximum": 9}, "9", "9.001"),
        ({"exclusive_maximum": 9}, "8.999", "9"),
        ({"minimum": -1, "exclusive_maximum": 6}, "-1", "6"),
    ],
)
def test_each_limit_holds_from_both_sides(tmp_path: Path, limits: dict[str, int], good: str, wrong: str) -> None:
    assert values(tmp_path, number(**limits), [good, "5"]) == [float(good), 5]
    message = refusal(tmp_path, own(number(**limits)), column_file([good, wrong]))
    assert f"but 1 of 2 rows are not ({wrong!r} in line 3)" in message


@pytest.mark.parametrize("separator", [";", "|", "\t"])
def test_a_decimal_comma_makes_numbers_in_any_column(tmp_path: Path, separator: str) -> None:
    schema = own(number(), csv={"separator": separator, "decimal": ","})
    content = "X;Bad\n1,5;1\n-0,25;0\n2;0,0\n".replace(";", separator)
    data = read(tmp_path, schema, content)
    assert (data.applicants[:, 0].tolist(), data.target.tolist()) == ([1.5, -0.25, 2], [1, 0, 0])


@pytest.mark.parametrize("text", ["1.234", "1.234,5", "1.5", "1,2,3", "1 234,5"])
def test_under_a_decimal_comma_a_point_is_refused_rather_than_read(tmp_path: Path, text: str) -> None:
    schema = own(number(), csv={"separator": ";", "decimal": ","})
    assert f"({text!r} in line 4)" in refusal(tmp_path, schema, f"X;Bad\n1;1\n2;0\n{text};0\n")


@pytest.mark.parametrize("text", ["1,5", "1,234", "1,234.5", "1 000", "1'000", "$5", "5%", "５"])
def test_under_a_decimal_point_nothing_else_in_a_number_is_read(tmp_path: Path, text: str) -> None:
    assert f"({text!r} in line 4)" in refusal(tmp_path, own(number()), f'X,Bad\n1,1\n2,0\n"{text}",0\n')


@pytest.mark.parametrize(
    ("declared", "labels"),
    [
        ({"positive": "bad"}, ["bad", "good", "good"]),
        ({"positive": "bad", "negative": "good"}, [" bad ", "good", "good"]),
        ({"positive": 1}, ["1", "0", "0"]),
        ({"positive": 1, "negative": 0}, ["1.0", "0", "0.0"]),
        ({"positive": 1, "negative": 2}, ["1", "2", "2"]),
        ({"positive": True}, ["Yes", "no", "no"]),
        ({"positive": True, "negative": False}, ["TRUE", "n", "0"]),
        ({"positive": False, "negative": True}, ["no", "yes", "1"]),
        ({"positive": "1"}, ["1", "0", "0"]),
        ({"positive": "1", "negative": 0}, ["1", "0", "0.0"]),
    ],
)
def test_a_target_is_told_by_its_label(tmp_path: Path, declared: dict[str, Any], labels: list[str]) -> None:
    content = "X,Bad\n" + "".join(f"1,{label}\n" for label in labels)
    assert read(tmp_path, own(number(), target=target(**declared)), content).target.tolist() == [1, 0, 0]


@pytest.mark.parametrize(("positive", "labels"), [(1, ["1", "0", "0.0"]), (True, ["true", "no", "No"])])
def test_two_spellings_of_the_one_other_value_are_one_value(tmp_path: Path, positive: Any, labels: list[str]) -> None:
    content = "X,Bad\n" + "".join(f"1,{label}\n" for label in labels)
    assert read(tmp_path, own(number(), target=target(positive=positive)), content).target.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["bad", "good", "open"], "has 2 values besides 'bad' ('good', 'open'): declare which one is target.negative"),
        (["bad", "Bad", "good"], "has 2 values besides 'bad' ('Bad', 'good'): declare which one is target.negative"),
        (["bad", *"abcd", "b"], "has 4 values besides 'bad' ('a', 'b', 'c', …): declare which one is target.negative"),
    ],
)
def test_more_than_one_other_label_is_refused_until_it_is_declared(
    tmp_path: Path, labels: list[str], said: str
) -> None:
    content = "X,Bad\n" + "".join(f"1,{label}\n" for label in labels)
    assert f"'Bad' {said}" in refusal(tmp_path, own(number(), target=target(positive="bad")), content)


def test_a_label_that_is_neither_of_two_declared_ones_is_refused(tmp_path: Path) -> None:
    schema = own(number(), target=target(positive="bad", negative="good"))
    message = refusal(tmp_path, schema, "X,Bad\n1,bad\n1,good\n1,open\n1,Good\n")
    assert "'Bad' must be good or bad, but 2 of 4 rows are not ('open' in line 4, 'Good' in line 5)" in message


@pytest.mark.parametrize("declared", [{"positive": "bad"}, {"positive": "bad", "negative": "good"}])
@pytest.mark.parametrize("gap", ["", "NA"])
def test_a_missing_target_is_refused(tmp_path: Path, declared: dict[str, str], gap: str) -> None:
    schema = own(number(), target=target(**declared), csv={"missing_values": ["NA"]})
    message = refusal(tmp_path, schema, f"X,Bad\n1,bad\n1,good\n1,{gap}\n")
    assert f"but 1 of 3 rows are not ({gap!r} in line 4)" in message


@pytest.mark.parametrize("negative", [None, "good"])
@pytest.mark.parametrize(("label", "kind"), [("bad", "a default"), ("good", "no default")])
def test_one_label_alone_is_refused(tmp_path: Path, negative: str | None, label: str, kind: str) -> None:
    schema = own(number(), target=target(positive="bad", negative=negative))
    assert f"every row of 'Bad' is {kind}" in refusal(tmp_path, schema, f"X,Bad\n1,{label}\n2,{label}\n")


AUDIT: list[dict[str, Any]] = [
    {"name": "age", "header": "Age", "description": "Age.", "edges": [25, 40.5]},
    {"name": "sex", "header": "Sex", "description": "Sex."},
]


@pytest.mark.parametrize(
    ("age", "group"),
    [
        ("-3", "under 25"),
        ("24.999", "under 25"),
        ("25", "25 to under 40.5"),
        ("40.4", "25 to under 40.5"),
        ("40.5", "40.5 and over"),
        ("99", "40.5 and over"),
        ("", "missing"),
        ("NA", "missing"),
    ],
)
def test_an_edge_belongs_to_the_group_above_it(tmp_path: Path, age: str, group: str) -> None:
    schema = own(number(), audit=AUDIT, csv={"missing_values": ["NA"]})
    data = read(tmp_path, schema, f"X,Bad,Age,Sex\n1,1,30,f\n1,0,{age},m\n")
    assert data.audit["age"].tolist() == ["25 to under 40.5", group]


def test_without_edges_every_value_is_a_group(tmp_path: Path) -> None:
    data = read(tmp_path, own(number(), audit=AUDIT), "X,Bad,Age,Sex\n1,1,30,f\n1,0,30, m \n1,0,30,\n1,0,30,F\n")
    assert data.audit["sex"].tolist() == ["f", "m", "missing", "F"]


def test_one_edge_makes_two_groups(tmp_path: Path) -> None:
    data = read(tmp_path, own(number(), audit=[AUDIT[0] | {"edges": [18]}]), "X,Bad,Age\n1,1,17\n1,0,18\n")
    assert data.audit["age"].tolist() == ["under 18", "18 and over"]


@pytest.mark.parametrize("age", ["old", "inf", "nan", "30 years"])
def test_an_audit_column_with_edges_must_be_a_number(tmp_path: Path, age: str) -> None:
    message = refusal(tmp_path, own(number(), audit=AUDIT), f"X,Bad,Age,Sex\n1,1,30,f\n1,0,{age},m\n")
    assert f"'Age' has edges, so it must be a number, but 1 of 2 rows are not ({age!r} in line 3)" in message


def test_audit_edges_follow_the_decimal_comma(tmp_path: Path) -> None:
    schema = own(number(), audit=AUDIT, csv={"separator": ";", "decimal": ","})
    data = read(tmp_path, schema, "X;Bad;Age;Sex\n1;1;40,4;f\n1;0;40,5;m\n")
    assert data.audit["age"].tolist() == ["25 to under 40.5", "40.5 and over"]


def test_ids_are_kept_as_text(tmp_path: Path) -> None:
    data = read(tmp_path, own(number(), id="Loan"), "Loan,X,Bad\n007,1,1\nA-1,1,0\n")
    assert data.ids is not None
    assert data.ids.tolist() == ["007", "A-1"]


def test_a_file_may_lack_the_declared_id(tmp_path: Path) -> None:
    assert read(tmp_path, own(number(), id="Loan"), "X,Bad\n1,1\n1,0\n").ids is None


def test_headers_that_the_declaration_does_not_mention_are_told(tmp_path: Path) -> None:
    ignored = [{"header": "Note", "reason": "Free text."}, {"header": "Gone", "reason": "Not there any more."}]
    schema = own(number(), audit=AUDIT, id="Loan", ignored=ignored)
    data = read(tmp_path, schema, "Branch,Note,Loan,X,,Bad,Age,Sex\na,b,1,1,z,1,30,f\na,b,2,1,z,0,30,f\n")
    assert data.undeclared == ("Branch", "")


def test_the_row_names_of_r_can_be_ignored_or_be_the_id(tmp_path: Path) -> None:
    content = '"","X","Bad"\n"1",1,1\n"2",1,0\n'
    ignored = [{"header": "", "reason": "Row names."}]
    assert read(tmp_path, own(number(), ignored=ignored), content).undeclared == ()


def test_rows_picks_groups_and_ids_with_their_rows(tmp_path: Path) -> None:
    schema = own(number(), audit=AUDIT, id="Loan")
    data = read(tmp_path, schema, "Loan,X,Bad,Age,Sex,More\na,1,1,20,f,\nb,2,0,30,m,\nc,3,0,50,f,\n")
    chosen = data.rows(np.array([2, 0]))
    assert chosen.ids is not None
    assert (chosen.ids.tolist(), chosen.audit["sex"].tolist(), chosen.undeclared) == (["c", "a"], ["f", "f"], ("More",))
    assert chosen.audit["age"].tolist() == ["40.5 and over", "under 25"]


def test_problems_of_all_columns_are_told_in_one_go_lacking_ones_included(tmp_path: Path) -> None:
    columns = [
        number(name="amount", header="Amount", minimum=0),
        flag(name="owner", header="Owner"),
        choice(name="home", header="Home"),
        number(name="income", header="Income"),
    ]
    schema = own(*columns, audit=AUDIT)
    content = "Amount,Owner,Home,Bad,Age\n-1,maybe,own,1,30\n5,yes,boat,0,old\n-2,no,,3,30\n"
    message = refusal(tmp_path, schema, content)
    for told in (
        "it lacks the columns 'Income', 'Sex'; it has 'Amount', 'Owner', 'Home', 'Bad', 'Age'",
        "'Amount' must be a number ≥ 0, but 2 of 3 rows are not ('-1' in line 2, '-2' in line 4)",
        "'Owner' must be true or false, but 1 of 3 rows are not ('maybe' in line 2)",
        "'Home' must be one of 'rent', 'own', but 2 of 3 rows are not ('boat' in line 3, '' in line 4)",
        "'Bad' must be 0 or 1, but 1 of 3 rows are not ('3' in line 4)",
        "'Age' has edges, so it must be a number, but 1 of 3 rows are not ('old' in line 3)",
    ):
        assert told in message
    assert message.count("; ") == 6


@pytest.mark.parametrize(
    "separator",
    [
        ";",
        "|",
        pytest.param(
            "\t",
        ),
    ],
)
def test_a_file_of_one_column_says_what_to_declare(tmp_path: Path, separator: str) -> None:
    message = refusal(tmp_path, own(number()), "X,Bad\n1,1\n2,0\n".replace(",", separator))
    advice = message.partition("declare csv: ")[2].rpartition(")")[0]
    assert CsvFormat.model_validate(yaml.safe_load(advice)).separator == separator


def test_a_comma_is_recognised_too_when_another_separator_is_declared(tmp_path: Path) -> None:
    schema = own(number(), csv={"separator": ";"})
    assert "declare csv: " in refusal(tmp_path, schema, "X,Bad\n1,1\n2,0\n")


def test_a_file_of_one_column_that_has_no_other_mark_gets_no_hint(tmp_path: Path) -> None:
    assert "separat" not in refusal(tmp_path, own(number()), "X\n1\n2\n")


@pytest.fixture(scope="module")
def credit_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The loans of examples/credit_data."""
    path = tmp_path_factory.mktemp("credit_data") / "credit_data.csv"
    fetch(path)
    return read_dataset(path, load_schema(EXAMPLE))


def test_the_credit_data_have_these_counts(credit_data: Dataset) -> None:
    gaps = np.isnan(credit_data.applicants).sum(axis=0).tolist()
    assert (len(credit_data), int(credit_data.target.sum()), credit_data.undeclared) == (4_454, 1_254, ())
    assert gaps == [0, 6, 0, 0, 2, 0, 381, 47, 18, 0, 0]


def test_the_credit_data_have_these_groups(credit_data: Dataset) -> None:
    groups, counts = np.unique(credit_data.audit["age"], return_counts=True)
    assert groups.tolist() == ["25 to under 35", "35 to under 45", "45 to under 55", "55 and over", "under 25"]
    assert counts.sum() == 4_454
    words = {"single", "married", "widow", "separated", "divorced", "missing"}
    assert set(credit_data.audit["marital_status"]) == words
