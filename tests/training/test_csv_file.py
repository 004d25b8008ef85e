"""CSV files as lenders write them: separators, encodings, headers and quotes as declared, and nothing guessed."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from loan_default.errors import DataError
from loan_default.schema.declaration import CsvFormat
from loan_default.training.csv_file import FIRST_LINE, read_text_table


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "loans.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def fields(folder: Path, content: str | bytes, **declared: str) -> dict[str, list[str]]:
    """The fields of a file by header."""
    rows = read_text_table(written(folder, content), CsvFormat.model_validate(declared)).rows
    return {str(header): values.tolist() for header, values in rows.items()}


def lines(folder: Path, content: str) -> list[int]:
    """The line of the file that each row is said to stand in."""
    rows = read_text_table(written(folder, content), CsvFormat()).rows
    return [int(row) + FIRST_LINE for row in rows.index.to_numpy()]


def refusal(folder: Path, content: str | bytes, **declared: str) -> str:
    with pytest.raises(DataError) as caught:
        fields(folder, content, **declared)
    assert caught.value.message.startswith(str(folder / "loans.csv"))
    return caught.value.message


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_fields_are_separated_by_what_is_declared(tmp_path: Path, separator: str) -> None:
    content = "a,b\n1,x y\n2,z\n".replace(",", separator)
    assert fields(tmp_path, content, separator=separator) == {"a": ["1", "2"], "b": ["x y", "z"]}


@pytest.mark.parametrize("separator", [";", "|", "\t"])
def test_no_other_separator_is_guessed(tmp_path: Path, separator: str) -> None:
    assert fields(tmp_path, "a,b\n1,2\n", separator=separator) == {"a,b": ["1,2"]}


def test_a_decimal_comma_is_left_for_the_columns_to_read(tmp_path: Path) -> None:
    assert fields(tmp_path, "a;b\n1,5;2\n", separator=";", decimal=",") == {"a": ["1,5"], "b": ["2"]}


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "latin-1", "utf-16", "UTF8", "utf-8-sig"])
def test_headers_and_fields_are_read_in_the_declared_encoding(tmp_path: Path, encoding: str) -> None:
    content = "Größe,Straße\nä,ß\n".encode(encoding)
    assert fields(tmp_path, content, encoding=encoding) == {"Größe": ["ä"], "Straße": ["ß"]}


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_part_of_the_first_header(tmp_path: Path, encoding: str) -> None:
    assert fields(tmp_path, "\ufeffa,b\n1,2\n", encoding=encoding) == {"a": ["1"], "b": ["2"]}


def test_a_byte_order_mark_before_a_quoted_header_is_taken_off_too(tmp_path: Path) -> None:
    assert fields(tmp_path, '\ufeff"a, b",c\n1,2\n') == {"a, b": ["1"], "c": ["2"]}


def test_the_euro_sign_is_what_tells_cp1252_from_latin_1(tmp_path: Path) -> None:
    assert fields(tmp_path, b"unit\n\x80\n", encoding="cp1252") == {"unit": ["€"]}


@pytest.mark.parametrize(
    ("content", "encoding", "described"),
    [
        ("é\n1\n".encode("cp1252"), "utf-8", "UTF-8"),
        (b"a\n\x81\n", "cp1252", "cp1252"),
        ("é\n1\n".encode(), "ascii", "ascii"),
        (b"a\n1\n!", "utf-16-le", "utf-16-le"),
    ],
)
def test_a_file_that_is_not_in_its_encoding_is_refused(
    tmp_path: Path, content: bytes, encoding: str, described: str
) -> None:
    assert f"is not a readable {described} CSV file: " in refusal(tmp_path, content, encoding=encoding)


@pytest.mark.parametrize("encoding", ["hex", "base64", "rot13", "zlib"])
def test_an_encoding_that_is_none_of_text_is_refused(tmp_path: Path, encoding: str) -> None:
    with pytest.raises((ValidationError, DataError), match="encoding"):
        fields(tmp_path, "a\n1\n", encoding=encoding)


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "  \t "])
def test_blanks_around_headers_and_fields_do_not_count(tmp_path: Path, blank: str) -> None:
    content = "a b,c\nx y,z\n".replace(",", f"{blank},{blank}")
    assert fields(tmp_path, f"{blank}{content}") == {"a b": ["x y"], "c": ["z"]}


def test_blanks_inside_quotes_do_not_count_either(tmp_path: Path) -> None:
    assert fields(tmp_path, 'a,b\n" x ",1\n') == {"a": ["x"], "b": ["1"]}


@pytest.mark.parametrize("header", ["", '""', " "])
def test_a_column_of_row_names_may_lack_a_header(tmp_path: Path, header: str) -> None:
    content = f"{header},a\n1,x\n2,y\n"  # as write.csv of R has it
    assert fields(tmp_path, content) == {"": ["1", "2"], "a": ["x", "y"]}


def test_quoted_fields_may_hold_separators_quotes_and_line_breaks(tmp_path: Path) -> None:
    content = 'a,"b, c"\n"1,5","say ""hi""\nthere"\n3,4\n'
    assert fields(tmp_path, content) == {"a": ["1,5", "3"], "b, c": ['say "hi"\nthere', "4"]}


def test_words_that_other_programs_read_as_missing_stay_words(tmp_path: Path) -> None:
    content = "a\nNA\nnan\nNone\nnull\nN/A\n#N/A\n"
    assert fields(tmp_path, content) == {"a": ["NA", "nan", "None", "null", "N/A", "#N/A"]}


def test_numbers_stay_the_text_they_are(tmp_path: Path) -> None:
    assert fields(tmp_path, "a\n007\n1.50\n1e3\nTrue\n") == {"a": ["007", "1.50", "1e3", "True"]}


def test_a_short_line_has_empty_fields_at_its_end(tmp_path: Path) -> None:
    assert fields(tmp_path, "a,b,c\n1,2,3\n4\n") == {"a": ["1", "4"], "b": ["2", ""], "c": ["3", ""]}


@pytest.mark.parametrize("content", ["a,b\n1,2\n3,4,5\n", "a,b\n1,2,3\n4,5,6\n", "a,b\n1,2,\n3,4,5\n"])
def test_a_line_with_more_fields_than_headers_is_refused(tmp_path: Path, content: str) -> None:
    assert "is not a readable UTF-8 CSV file" in refusal(tmp_path, content)


@pytest.mark.parametrize("content", ["a,b\n1,2\n\n,\n3,4\n", "a,b\n1,2\n  \n , \n3,4\n", "a\n1\n\n\n3\n"])
def test_lines_without_any_value_are_no_rows_but_count_as_lines(tmp_path: Path, content: str) -> None:
    assert lines(tmp_path, content) == [2, 5]


@pytest.mark.parametrize("content", ["a,b\r\n1,2\r\n", "a,b\r1,2\r", "a,b\n1,2"])
def test_line_ends_of_every_system_are_fine(tmp_path: Path, content: str) -> None:
    assert fields(tmp_path, content) == {"a": ["1"], "b": ["2"]}


def test_a_line_break_inside_quotes_does_not_shift_the_lines_below(tmp_path: Path) -> None:
    assert lines(tmp_path, 'a,b\n1,"x\ny"\n2,z\n') == [2, 4]


@pytest.mark.parametrize(
    ("header", "named"),
    [("a,b,a", "'a'"), ("a, a ,b", "'a'"), ("b,a,b,a", "'a', 'b'"), ('a,"a",b', "'a'")],
)
def test_headers_that_stand_twice_are_refused_by_name(tmp_path: Path, header: str, named: str) -> None:
    message = refusal(tmp_path, f"{header}\n{'1,' * header.count(',')}1\n")
    assert message.endswith(f"has more than one column called {named}.")


def test_two_columns_without_a_name_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, ",a,\n1,2,3\n").endswith("has more than one column without a name.")


def test_empty_columns_without_a_name_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_text("a,b,,\n1,2,,\n3,4,,\n")
    assert list(read_text_table(path, CsvFormat()).rows.columns) == ["a", "b"]


@pytest.mark.parametrize("content", ["\na,b\n1,2\n", ",,\n1,2,3\n"])
def test_a_first_line_without_names_is_refused(tmp_path: Path, content: str) -> None:
    assert "must begin with a header" in refusal(tmp_path, content)


@pytest.mark.parametrize("content", ["a\0,b\n1,2\n", "a,b\n1,\0\n", "a,b\n1,2\n\0"])
def test_nul_bytes_are_refused(tmp_path: Path, content: str) -> None:
    assert refusal(tmp_path, content).endswith("is not a readable UTF-8 CSV file: it holds NUL bytes.")


@pytest.mark.parametrize("content", ['"a,b\n1,2\n', 'a,b\n"1,2\n'])
def test_a_quote_that_never_closes_is_refused(tmp_path: Path, content: str) -> None:
    assert "is not a readable UTF-8 CSV file: " in refusal(tmp_path, content)


@pytest.mark.parametrize("content", ["", "\n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    assert refusal(tmp_path, content).endswith("is empty; training needs a CSV file with a header and rows.")


@pytest.mark.parametrize("content", ["a", "a\n", "a\n\n\n"])
def test_a_header_alone_is_a_table_without_rows(tmp_path: Path, content: str) -> None:
    assert fields(tmp_path, content) == {"a": []}


def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    assert "\n" not in refusal(tmp_path, "a,b\n1,2\n3,4,5\n")
