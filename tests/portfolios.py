"""Portfolios for tests of bulk scoring: written, inspected, scored, and read again."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from installation import ROOT
from pyarrow.fs import LocalFileSystem

from loan_default.bulk.inspect import Inspected, inspect
from loan_default.bulk.order import BulkOrder, Written
from loan_default.bulk.progress import Progress
from loan_default.bulk.run import REJECTS, RESULTS, Work, run
from loan_default.bulk.summary import Summary
from loan_default.model import LoanModel
from loan_default.schema import Schema
from loan_default.storage import LocalFolder, Place

DATA = ROOT / "data" / "Default_Fin.csv"
ROWS = 700  # of a chunk: 15 chunks
BAD = ["10001,1,-5,7,0", "10002,1", "10003,2,abc,,0", "10004,0.5,1e999,nan,0", '10005,1,"1,5",9,0']

CSV, PARQUET, JSON = Written(kind="csv"), Written(kind="parquet"), Written(kind="json")
MANY = 10**9


def place(path: Path) -> Place:
    """A file on this disk."""
    return Place(LocalFileSystem(), str(path))


def looked_at(path: Path, schema: Schema, written: Written = CSV, **more: Any) -> Inspected:
    """What the first look finds."""
    return inspect(place(path), schema, written, **{"most_rows": MANY, **more})


def work_on(path: Path, folder: Path, model: LoanModel, order: BulkOrder, threads: int = 2) -> Work:
    """A job of one file, its files in `folder`."""
    return Work(order, place(path), LocalFolder(folder), model, "7", threads)


def never() -> bool:
    """Nobody asks it to stop."""
    return False


def nobody(progress: Progress) -> None:
    """Nobody listens."""


def ordered(
    path: Path, model: LoanModel, written: Written = CSV, *, rows: int = MANY, reasons: bool = False
) -> BulkOrder:
    """The order of a file, in chunks of so many rows."""
    order = looked_at(path, model.schema, written, reasons=reasons).order
    return order.model_copy(update={"chunk_rows": min(rows, order.chunk_rows)})


def scored(  # noqa: PLR0913
    path: Path,
    folder: Path,
    model: LoanModel,
    written: Written = CSV,
    *,
    rows: int = MANY,
    reasons: bool = False,
    stop: Callable[[], bool] = never,
) -> Summary:
    """Score a file in chunks of so many rows."""
    order = ordered(path, model, written, rows=rows, reasons=reasons)
    return run(work_on(path, folder, model, order), nobody, stop)


def results(folder: Path) -> pa.Table:
    """The scored rows."""
    return pq.read_table(folder / RESULTS)


def rejects(folder: Path) -> list[dict[str, str]]:
    """The problems of rows that could not be scored."""
    with (folder / REJECTS).open(newline="") as file:
        return list(csv.DictReader(file))


def output(folder: Path) -> tuple[bytes, bytes]:
    """What must be the same to the last byte however often a job was interrupted."""
    return (folder / RESULTS).read_bytes(), (folder / REJECTS).read_bytes()


def as_parquet(path: Path, group: int | None = None) -> Path:
    """The same as Parquet, in row groups of so many rows."""
    table = pa_csv.read_csv(path)
    pq.write_table(table, path.with_suffix(".parquet"), row_group_size=group)
    return path.with_suffix(".parquet")
