"""Results in other formats."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portfolios import PARQUET, results, scored

from loan_default.bulk.export import iter_results
from loan_default.bulk.formulas import as_text
from loan_default.bulk.order import ResultFormat
from loan_default.bulk.run import RESULTS
from loan_default.model import LoanModel
from loan_default.storage import LocalFolder

TEXTS = st.none() | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)


def exported(folder: Path, written: ResultFormat) -> str:
    return b"".join(iter_results(LocalFolder(folder), written)).decode()


def saved(folder: Path, table: pa.Table) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / RESULTS, row_group_size=3)
    return folder


@given(st.lists(st.tuples(TEXTS, st.none() | st.floats(), st.none() | st.booleans()), max_size=8))
def test_csv_and_json_say_what_the_table_says(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float, bool]]
) -> None:
    columns = dict(zip(("text, or not", "number", "flag"), zip(*rows, strict=True), strict=False)) if rows else {}
    table = pa.table(
        {
            "text, or not": pa.array(columns.get("text, or not", []), pa.string()),
            "number": pa.array(columns.get("number", []), pa.float64()),
            "flag": pa.array(columns.get("flag", []), pa.bool_()),
        }
    )
    folder = saved(tmp_path_factory.mktemp("export"), table)
    header, *lines = csv.reader(io.StringIO(exported(folder, "csv"), newline=""))
    assert header == table.column_names
    assert [line[0] for line in lines] == [as_text(row[0] or "") for row in rows]
    assert [None if line[1] == "" else repr(float(line[1])) for line in lines] == [
        None if row[1] is None else repr(row[1]) for row in rows
    ]
    assert [line[2] for line in lines] == ["" if row[2] is None else str(row[2]).lower() for row in rows]
    found = json.loads(exported(folder, "json"))
    assert [(row["text, or not"], row["flag"]) for row in found] == [(row[0], row[2]) for row in rows]


def test_every_format_has_every_row(loan_model: LoanModel, tmp_path: Path) -> None:
    table = pa.table(
        {
            "Employed": [1] * 40_000,
            "Bank Balance": [float(i) for i in range(40_000)],
            "Annual Salary": [5e5] * 40_000,
            "nested": [{"a": [1, "x" if i else None][0]} for i in range(40_000)],
            "bytes": [b"\xff\xfe"] * 40_000,
        }
    )
    pq.write_table(table, tmp_path / "x")
    scored(tmp_path / "x", tmp_path / "out", loan_model, PARQUET, rows=17_000, reasons=True)
    expected = results(tmp_path / "out")
    folder = LocalFolder(tmp_path / "out")
    assert pq.read_table(pa.BufferReader(b"".join(iter_results(folder, "parquet")))).equals(expected)
    rows = list(csv.DictReader(io.StringIO(exported(tmp_path / "out", "csv"))))
    assert [float(row["probability"]) for row in rows] == expected["probability"].to_pylist()
    assert [row["default_risk"] for row in rows] == expected["default_risk"].to_pylist()
    assert rows[0]["nested"] == '{"a":1}'
    wanted = [" ".join(reasons) if reasons else "" for reasons in expected["reasons"].to_pylist()]
    assert any(wanted)
    assert [row["reasons"] for row in rows] == wanted
    objects = json.loads(exported(tmp_path / "out", "json"))
    assert [row["probability"] for row in objects] == expected["probability"].to_pylist()
    assert [row["reasons"] for row in objects] == expected["reasons"].to_pylist()
    assert len(list(iter_results(folder, "csv"))) > 2


def test_no_rows_are_an_empty_list_and_a_header(loan_model: LoanModel, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("Employed,Bank Balance,Annual Salary\n2,,\n")
    scored(tmp_path / "x.csv", tmp_path / "out", loan_model)
    assert json.loads(exported(tmp_path / "out", "json")) == []
    assert exported(tmp_path / "out", "csv") == (
        "row,Employed,Bank Balance,Annual Salary,probability,prediction,default_risk,model_version\n"
    )


@pytest.mark.parametrize("written", ["parquet", "csv", "json"])
def test_results_that_are_not_there_are_said_to_be(tmp_path: Path, written: ResultFormat) -> None:
    with pytest.raises(FileNotFoundError):
        exported(tmp_path, written)
