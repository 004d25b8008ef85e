"""The first look at a portfolio: what is found, and what is refused."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from declarations import MIXED, one
from installation import ROOT
from portfolios import CSV, JSON, PARQUET, looked_at

from loan_default.bulk import inspect as inspecting
from loan_default.bulk.order import Written
from loan_default.errors import BulkInputError
from loan_default.schema import Schema
from loan_default.schema.declaration import CsvFormat

HEADER = "Employed,Bank Balance,Annual Salary"
DATA = ROOT / "data" / "Default_Fin.csv"


def written(tmp_path: Path, text: str | bytes, name: str = "portfolio.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_default_data_are_understood(schema: Schema) -> None:
    found = looked_at(DATA, schema)
    assert (found.order.rows, found.order.chunk_rows) == (10_000, 16_384)
    assert found.columns == {"employed": "Employed", "bank_balance": "Bank Balance", "annual_salary": "Annual Salary"}
    assert (found.carried, found.missing) == (["Index", "Defaulted?"], [])
    assert found.order.written.csv == CsvFormat()
    assert found.notes == [
        "The encoding was not stated; it was read as utf-8.",
        "The separator was not stated; a comma was found in the header.",
    ]
    assert found.order.source_bytes == DATA.stat().st_size
    assert looked_at(DATA, schema, reasons=True).order.chunk_rows == inspecting.MOST_SLOW_ROWS


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_and_separators_are_found_and_said(
    schema: Schema, tmp_path: Path, separator: str, encoding: str
) -> None:
    text = f"{HEADER},Größe\n1,2,3,ä\n".replace(",", separator)
    found = looked_at(written(tmp_path, text.encode(encoding)), schema)
    assert found.order.written.csv is not None
    assert found.order.written.csv.separator == separator
    assert found.order.written.csv.encoding == ("utf-8" if encoding == "utf-8-sig" else encoding)
    assert f"it was read as {found.order.written.csv.encoding}" in found.notes[0]
    assert found.carried == ["Größe"]


def test_what_is_stated_is_not_looked_for(schema: Schema, tmp_path: Path) -> None:
    stated = Written(kind="csv", csv=CsvFormat(separator=";", decimal=",", encoding="cp1252"))
    found = looked_at(
        written(tmp_path, f"{HEADER};ß\n".replace(",", ";").encode("cp1252") + b"1;2;3;x\n"), schema, stated
    )
    assert (found.notes, found.order.written, found.carried) == ([], stated, ["ß"])


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1,2,3", 1),
        ("1,2,3\n", 1),
        ("\n1,2,3\n\n\r\n4,5,6\n\n", 2),
        ("1,2,3\r\n4,5,6\r\n", 2),
        ("1,2,3\r4,5,6\r", 2),
        ('1,2,"3\n\n3"\n4,5,6', 2),
        ("1,2\nx\n", 2),
    ],
)
def test_rows_are_counted_whatever_ends_a_line(schema: Schema, tmp_path: Path, text: str, rows: int) -> None:
    assert looked_at(written(tmp_path, f"{HEADER}\n{text}"), schema).order.rows == rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; it must begin with a header"),
        ("\n\n", "is empty"),
        (",,\n1,2,3\n", "its first line names no column"),
        (HEADER, "has no rows"),
        (f"{HEADER}\n\n", "has no rows"),
        ("Employed,Bank Balance\n1,2\n", "lacks the column 'Annual Salary'; it has 'Employed', 'Bank Balance'"),
        ("a\n1\n", "lacks the columns 'Employed', 'Bank Balance', 'Annual Salary'"),
        (f"{HEADER},bank_balance\n1,2,3,4\n", "has both 'Bank Balance', 'bank_balance', which are the same column"),
        (f"{HEADER},x,x\n1,2,3,4,5\n", "more than one column called 'x'"),
        (f"{HEADER},row\n1,2,3,4\n", "a column called 'row', which the results need"),
        (f"{HEADER},probability,default_risk\n1,2,3,4,5\n", "called 'probability', 'default_risk'"),
        (f"{HEADER}\n1,2,3\n" + '"4,5,6\n', "a quote that is never closed"),
        (f"{HEADER}\n1,\0,3\n", "NUL bytes"),
        (f'{HEADER},"x\n1,2,3\n', "first line|never closed"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_a_sentence(schema: Schema, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BulkInputError, match=said) as refused:
        looked_at(written(tmp_path, text), schema)
    assert str(tmp_path) not in refused.value.message


def test_reasons_is_a_name_that_only_reasons_need(schema: Schema, tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER},reasons\n1,2,3,x\n")
    assert looked_at(path, schema).carried == ["reasons"]
    with pytest.raises(BulkInputError, match="'reasons'"):
        looked_at(path, schema, reasons=True)


@pytest.mark.parametrize("filling", ["x", "ä", "x\n", '"', "a\r\n"])
def test_a_header_of_any_length_is_read_whole(schema: Schema, tmp_path: Path, filling: str) -> None:
    size = len(filling.replace('"', '""').encode())
    for bytes_ in (*range(16_330, 16_400), 100_000):
        name = filling * (bytes_ // size) + "end"
        text = f'{"y" * (bytes_ % size)},{HEADER},"{name.replace(chr(34), 2 * chr(34))}"\n0,1,2,3,4\n0,1,5,6,"7\n"\n'
        found = looked_at(written(tmp_path, text), schema)
        assert found.order.rows == 2
        assert found.carried[-1] == name


def test_columns_without_a_name_are_left_out(schema: Schema, tmp_path: Path) -> None:
    assert looked_at(written(tmp_path, f"{HEADER},,\n1,2,3,,\n"), schema).carried == []


def test_columns_that_may_be_missing_may_lack(tmp_path: Path) -> None:
    path = written(tmp_path, "debt,years,owner,home\n1,2,true,a\n")
    assert looked_at(path, MIXED).missing == ["income", "children", "married", "job"]


def test_a_wrong_encoding_is_said(schema: Schema, tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER}\n1,2,3\xe4\n".encode("latin-1"))
    with pytest.raises(BulkInputError, match=r"not utf-8 text .*state its encoding"):
        looked_at(path, schema, Written(kind="csv", csv=CsvFormat()))


def test_too_many_rows_are_refused(schema: Schema, tmp_path: Path) -> None:
    with pytest.raises(BulkInputError, match="more than 9,999 rows"):
        looked_at(DATA, schema, most_rows=9_999)
    pq.write_table(pa.table({"Employed": [1, 0], "Bank Balance": [1, 2], "Annual Salary": [1, 2]}), tmp_path / "x")
    with pytest.raises(BulkInputError, match="more than 1 rows"):
        looked_at(tmp_path / "x", schema, PARQUET, most_rows=1)
    with pytest.raises(BulkInputError, match="no such portfolio"):
        looked_at(tmp_path / "y", schema)


def test_gzip_is_unpacked_to_a_limit(schema: Schema, tmp_path: Path) -> None:
    packed = Written(kind="csv", gzipped=True)
    content = DATA.read_bytes()
    parts = gzip.compress(content[:100_000]) + gzip.compress(content[100_000:])
    assert looked_at(written(tmp_path, parts), schema, packed, most_bytes=len(content)).order.rows == 10_000
    with pytest.raises(BulkInputError, match="larger than 267,684 bytes"):
        looked_at(written(tmp_path, parts), schema, packed, most_bytes=len(content) - 1)
    for broken, said in ((parts[:-9], "ends too early"), (content, "not a readable gzip"), (b"", "ends too early")):
        with pytest.raises(BulkInputError, match=said):
            looked_at(written(tmp_path, broken), schema, packed)


def test_a_gzip_that_unpacks_without_end_stays_small(schema: Schema, tmp_path: Path) -> None:
    bomb = gzip.compress(HEADER.encode() + b"\n" + b"1,2,3\n" * 20_000_000)
    with pytest.raises(BulkInputError, match="when it is unpacked"):
        looked_at(written(tmp_path, bomb), schema, Written(kind="csv", gzipped=True), most_bytes=5_000_000)


def test_wide_rows_make_small_chunks(schema: Schema, tmp_path: Path) -> None:
    rows = "".join(f"1,2,3,{'x' * 100_000}\n" for _ in range(30))
    order = looked_at(written(tmp_path, f"{HEADER},note\n{rows}"), schema).order
    assert 1 < order.chunk_rows * 100_000 <= 2**24


@pytest.mark.parametrize(
    ("kind", "of", "fits"),
    [
        ("number", pa.float32(), True),
        ("number", pa.uint8(), True),
        ("number", pa.decimal128(9, 2), True),
        ("number", pa.string(), True),
        ("number", pa.dictionary(pa.int32(), pa.string()), True),
        ("number", pa.null(), True),
        ("number", pa.bool_(), False),
        ("number", pa.timestamp("us"), False),
        ("integer", pa.list_(pa.int8()), False),
        ("boolean", pa.bool_(), True),
        ("boolean", pa.int8(), True),
        ("boolean", pa.date32(), False),
        ("category", pa.large_string(), True),
        ("category", pa.int8(), True),
        ("category", pa.float64(), False),
        ("category", pa.bool_(), False),
    ],
)
def test_a_column_of_parquet_has_a_type_that_can_hold_its_values(
    tmp_path: Path, kind: str, of: pa.DataType, fits: bool
) -> None:
    pq.write_table(pa.table({"X": pa.array([None], of)}), tmp_path / "x")
    if fits:
        assert looked_at(tmp_path / "x", one(kind), PARQUET).order.rows == 1
    else:
        with pytest.raises(BulkInputError, match=r"'X' is of the type .*, but it must be "):
            looked_at(tmp_path / "x", one(kind), PARQUET)


def test_parquet_that_is_none_is_refused(schema: Schema, tmp_path: Path) -> None:
    for content in (b"", b"PAR1", DATA.read_bytes()):
        with pytest.raises(BulkInputError, match="not a readable Parquet file"):
            looked_at(written(tmp_path, content), schema, PARQUET)


def test_lines_of_json_are_counted(schema: Schema, tmp_path: Path) -> None:
    found = looked_at(written(tmp_path, '{"employed": 1}\n\n{}\r\nnonsense'), schema, JSON)
    assert (found.order.rows, found.carried) == (3, [])
    assert found.order.chunk_rows == inspecting.MOST_SLOW_ROWS
    with pytest.raises(BulkInputError, match="has no rows"):
        looked_at(written(tmp_path, "\n"), schema, JSON)


def test_a_comma_that_is_declared_as_decimal_mark_is_said(tmp_path: Path) -> None:
    declared = one("number").model_copy(update={"csv": CsvFormat(separator=";", decimal=",")})
    found = looked_at(written(tmp_path, "X;y\n1,5;2\n"), declared)
    assert found.order.written.csv == CsvFormat(separator=";", decimal=",")
    assert "a comma is declared" in found.notes[-1]
    # The same declaration cannot hold for a file that is separated by commas.
    assert looked_at(written(tmp_path, "X,y\n1.5,2\n"), declared, CSV).order.written.csv == CsvFormat()
