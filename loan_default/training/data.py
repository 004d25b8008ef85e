"""Reads a training CSV and checks every declared column before anything is learnt from it.

All problems are reported in one go, each with the column, how many rows it has, and examples by line number.
"""

import csv
import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loan_default.errors import DataError
from loan_default.schema import Column, Schema

_EXAMPLES = 3
# The header is line 1 of the file.
_FIRST_LINE = 2


@dataclass(frozen=True)
class Dataset:
    """Checked training data.

    Attributes:
        applicants: (n, number of columns) in the schema's order.
        target: (n,) 1 for a default, 0 otherwise.
        sha256: checksum of the file it was read from.
    """

    applicants: NDArray[np.float64]
    target: NDArray[np.int64]
    sha256: str

    def __len__(self) -> int:
        return len(self.target)

    def rows(self, chosen: NDArray[np.bool_]) -> "Dataset":
        """The rows where `chosen`, (n,), is true."""
        return Dataset(self.applicants[chosen], self.target[chosen], self.sha256)


def read_dataset(path: Path, schema: Schema) -> Dataset:
    """Read the CSV at `path` as `schema` declares it.

    Raises:
        DataError: one sentence that says everything that is wrong with the file.
    """
    content = _read_bytes(path)
    table = _read_csv(content, path)
    headers = [column.header for column in schema.columns] + [schema.target.header]
    missing = [header for header in headers if header not in table.columns]
    if missing:
        raise DataError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {_listed(missing)}; "
            f"it has {_listed(list(table.columns))}."
        )
    if table.empty:
        raise DataError(f"{path} has a header but no rows; training needs applicants of both classes.")
    problems: list[str] = []
    applicants = np.column_stack([_numbers(table[c.header], c, problems) for c in schema.columns])
    target = _target(table[schema.target.header], schema, problems)
    if problems:
        raise DataError(f"{path} cannot be trained on: {'; '.join(problems)}.")
    return Dataset(applicants, target, hashlib.sha256(content).hexdigest())


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"There is no file {path}; name the training data with --data.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error}") from error
    if b"\0" in content:
        raise DataError(f"{path} is not a readable UTF-8 CSV file: it holds NUL bytes.")
    return content


def _read_csv(content: bytes, path: Path) -> pd.DataFrame:
    try:
        header = next(csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")), [])
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise DataError(f"{path} has more than one column called {_listed(twice)}.")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines with more fields than the header
            # Everything as text: what a value is gets decided by the declaration, not guessed from the file.
            table = pd.read_csv(
                io.BytesIO(content),
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                index_col=False,
                skip_blank_lines=False,  # so that a row's index is its line
            )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty; training needs a CSV file with a header and rows.") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a readable UTF-8 CSV file: {' '.join(str(error).split())}") from error
    return table[~(table == "").all(axis=1)]


def _numbers(texts: "pd.Series[str]", column: Column, problems: list[str]) -> NDArray[np.float64]:
    values = np.array(pd.to_numeric(texts, errors="coerce"), dtype=np.float64)
    wrong = ~np.isfinite(values)
    if column.type == "integer":
        wrong |= values != np.floor(values)
    for _, holds, bound in column.limits:
        wrong |= ~holds(values, bound)
    _report(wrong, texts, f"{column.header!r} must be {column.allowed}", problems)
    return values


def _target(texts: "pd.Series[str]", schema: Schema, problems: list[str]) -> NDArray[np.int64]:
    values = np.array(pd.to_numeric(texts, errors="coerce"), dtype=np.float64)
    header = schema.target.header
    wrong = ~np.isin(values, (0.0, 1.0))
    _report(wrong, texts, f"{header!r} must be 0 or 1", problems)
    target: NDArray[np.int64] = (values == schema.target.positive).astype(np.int64)
    if not wrong.any() and len(np.unique(target)) < 2:
        kind = "a default" if target[0] else "no default"
        problems.append(f"every row of {header!r} is {kind}, and a model needs both")
    return target


def _report(wrong: NDArray[np.bool_], texts: "pd.Series[str]", rule: str, problems: list[str]) -> None:
    if not wrong.any():
        return
    rows = texts[wrong]
    lines = rows.index[:_EXAMPLES].tolist()
    examples = ", ".join(f"{text!r} in line {row + _FIRST_LINE}" for row, text in zip(lines, rows, strict=False))
    problems.append(f"{rule}, but {len(rows):,} of {len(texts):,} rows are not ({examples})")


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
