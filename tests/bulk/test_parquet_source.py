"""Parquet as others write it."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from portfolios import PARQUET, looked_at, rejects, results, scored

from loan_default.errors import BulkInputError
from loan_default.model import LoanModel

NEEDED = {"employed": [1, 0, 1], "Bank Balance": [1.5, 2.5, -1.0], "annual_salary": [1, 2, 3]}
OTHERS = {
    "nested": pa.array([{"a": [1, 2]}, None, {"a": []}]),
    "list": pa.array([["x"], [], None], pa.large_list(pa.large_string())),
    "day": pa.array([dt.date(2026, 1, 2)] * 3),
    "moment": pa.array([dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)] * 3, pa.timestamp("us", "UTC")),
    "money": pa.array([Decimal("1.10")] * 3),
    "bytes": pa.array([b"\xff", None, b""]),
    "word": pa.array(["a", None, "a"]).dictionary_encode(),
    "yes": pa.array([True, None, False]),
    "big": pa.array([2**64 - 1] * 3, pa.uint64()),
    "half": pa.array([1.5] * 3, pa.float32()),
    "nothing": pa.nulls(3),
    "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int8())),
}


def test_columns_of_any_type_pass_through_as_they_are(loan_model: LoanModel, tmp_path: Path) -> None:
    table = pa.table({**OTHERS, **NEEDED})
    pq.write_table(table, tmp_path / "x")
    for rows in (1, 100):
        folder = tmp_path / f"out-{rows}"
        summary = scored(tmp_path / "x", folder, loan_model, PARQUET, rows=rows)
        assert summary.rejected == 1
        assert results(folder).select(table.column_names).equals(pq.read_table(tmp_path / "x").slice(0, 2))
        assert rejects(folder)[0]["value"] == "-1.0"


def test_views_of_text_become_text(loan_model: LoanModel, tmp_path: Path) -> None:
    views = {"note": pa.array(["a", "b", None], pa.string_view()), "b": pa.array([b"a"] * 3, pa.binary_view())}
    pq.write_table(
        pa.table({**NEEDED, **views, "employed": pa.array(["1", "0", "1"], pa.string_view())}), tmp_path / "x"
    )
    scored(tmp_path / "x", tmp_path / "out", loan_model, PARQUET)
    assert results(tmp_path / "out").select(["note", "employed"]).to_pylist() == [
        {"note": "a", "employed": "1"},
        {"note": "b", "employed": "0"},
    ]


def test_damaged_pages_are_the_portfolios_fault(loan_model: LoanModel, tmp_path: Path) -> None:
    pq.write_table(pa.table({**NEEDED, "text": ["abc" * 1000] * 3}), tmp_path / "x", use_dictionary=False)
    content = bytearray((tmp_path / "x").read_bytes())
    content[4:400] = bytes(396)
    (tmp_path / "x").write_bytes(content)
    assert looked_at(tmp_path / "x", loan_model.schema, PARQUET).order.rows == 3
    with pytest.raises(BulkInputError, match="not a readable Parquet file"):
        scored(tmp_path / "x", tmp_path / "out", loan_model, PARQUET)


def test_other_writers_notes_in_the_file_do_no_harm(loan_model: LoanModel, tmp_path: Path) -> None:
    table = pa.table(NEEDED).replace_schema_metadata({"pandas": '{"index_columns": ["gone"]}'})
    pq.write_table(table, tmp_path / "x")
    scored(tmp_path / "x", tmp_path / "out", loan_model, PARQUET)
    assert b"pandas" not in (results(tmp_path / "out").schema.metadata or {})
