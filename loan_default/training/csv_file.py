"""Reads a CSV file as text, exactly as its declaration says it is written; nothing about it is guessed."""

import csv
import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from loan_default.errors import DataError
from loan_default.schema.declaration import CsvFormat

# The header is line 1 of the file.
FIRST_LINE = 2


@dataclass(frozen=True)
class TextTable:
    """A CSV file as it was read.

    Attributes:
        rows: its fields as text, without blanks around them; a row's index + `FIRST_LINE` is the line it begins in.
        sha256: checksum of the file.
    """

    rows: pd.DataFrame
    sha256: str


def read_text_table(path: Path, written: CsvFormat) -> TextTable:
    """Read the file at `path`.

    Raises:
        DataError: there is no such file, or it is not such a CSV file.
    """
    content = _read_bytes(path)
    return TextTable(_parse(content, path, written), hashlib.sha256(content).hexdigest())


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"There is no file {path}; name the training data with --data.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error}") from error


def _parse(content: bytes, path: Path, written: CsvFormat) -> pd.DataFrame:
    encoding = "utf-8-sig" if written.encoding == "utf-8" else written.encoding
    described = f"{'UTF-8' if written.encoding == 'utf-8' else written.encoding} CSV file"
    try:
        text = content.decode(encoding)
        if "\0" in text:
            raise DataError(f"{path} is not a readable {described}: it holds NUL bytes.")
        header = [
            name.strip() for name in next(csv.reader(io.StringIO(text, newline=""), delimiter=written.separator), [])
        ]
        twice = sorted({name for name in header if name and header.count(name) > 1})
        if twice:
            raise DataError(f"{path} has more than one column called {listed(twice)}.")
        if text.strip() and not any(header):
            raise DataError(f"{path} must begin with a header; its first line names no column.")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines with more fields than the header
            # Everything as text: what a value is gets decided by the declaration, not guessed from the file.
            table = pd.read_csv(
                io.StringIO(text),
                sep=written.separator,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,  # so that a row's index is its line
            )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty; training needs a CSV file with a header and rows.") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeError, csv.Error) as error:
        raise DataError(f"{path} is not a readable {described}: {' '.join(str(error).split())}") from error
    table.columns = pd.Index(range(len(header)))
    table = table.apply(lambda column: column.str.strip())
    # What spreadsheets leave at the end: columns without a name and without a value.
    kept = [i for i, name in enumerate(header) if name or not (table[i] == "").all()]
    table = table[kept].set_axis([header[i] for i in kept], axis="columns")
    if not table.columns.is_unique:
        raise DataError(f"{path} has more than one column without a name.")
    if '"' in text and len(table) < text.count("\n"):
        table.index = pd.Index(_line_starts(text, written.separator)[1 : len(table) + 1]) - FIRST_LINE
    named: pd.DataFrame = table[~(table == "").all(axis=1)]
    return named


def _line_starts(text: str, separator: str) -> list[int]:
    """The line in which each record begins, the header included; a quoted field may hold line ends."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    starts, next_start = [], 1
    for _ in reader:
        starts.append(next_start)
        next_start = reader.line_num + 1
    return starts


def listed(names: list[str]) -> str:
    """Names as a sentence lists them."""
    return ", ".join(repr(name) for name in names)
