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
        rows: its fields as text, without blanks around them; a row's index + `FIRST_LINE` is its line.
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
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise DataError(f"{path} has more than one column called {listed(twice)}.")
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
    table.columns = pd.Index(header)  # pandas gives a column without a name one of its own
    for name in header:
        table[name] = table[name].str.strip()
    return table[~(table == "").all(axis=1)]


def listed(names: list[str]) -> str:
    """Names as a sentence lists them."""
    return ", ".join(repr(name) for name in names)
