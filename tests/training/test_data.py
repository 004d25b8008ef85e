"""Reading training data: the default file, and every kind of wrong file refused with one sentence that helps."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from loan_default.errors import DataError
from loan_default.schema import Schema
from loan_default.training.data import Dataset, read_dataset

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
