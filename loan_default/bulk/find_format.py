"""How a CSV is written that nobody described: its encoding and separator are found, and said in the notes."""

import codecs
from collections.abc import Iterator

from loan_default.bulk.csv_source import CsvSource
from loan_default.bulk.text import NotInEncoding, text_blocks
from loan_default.schema import Schema
from loan_default.schema.declaration import CsvFormat
from loan_default.storage import Place

_SEPARATORS = {",": "a comma", ";": "a semicolon", "|": "a vertical bar", "\t": "a tab"}
_LAST_RESORT = "cp1252"


def find_format(
    place: Place, schema: Schema, *, gzipped: bool, most_bytes: int | None = None
) -> tuple[CsvFormat, list[str]]:
    """The format of a CSV, and what was found, in sentences. Reads the whole file once for its encoding.

    Missing values are as declared for training data; so is the decimal mark, when the separator leaves it free.

    Raises:
        BulkInputError: it has no header in any of the formats.
    """
    encoding = _encoding(place, gzipped=gzipped, most_bytes=most_bytes)
    separator = _separator(place, schema, encoding, gzipped=gzipped)
    declared = schema.csv
    decimal = "." if declared.decimal == separator else declared.decimal
    found = CsvFormat(separator=separator, decimal=decimal, encoding=encoding, missing_values=declared.missing_values)
    notes = [
        f"The encoding was not stated; it was read as {encoding}.",
        f"The separator was not stated; {_SEPARATORS[separator]} was found in the header.",
    ]
    if found.decimal != ".":
        notes.append("The decimal mark was not stated; a comma is declared for the training data.")
    return found, notes


def _encoding(place: Place, *, gzipped: bool, most_bytes: int | None) -> str:
    def blocks(encoding: str) -> Iterator[bytes]:
        return text_blocks(place, gzipped=gzipped, encoding=encoding, most_bytes=most_bytes)

    start = next(blocks("latin-1"), b"").decode().encode("latin-1")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        for _ in blocks("utf-8"):
            pass
    except NotInEncoding:
        return _LAST_RESORT
    return "utf-8"


def _separator(place: Place, schema: Schema, encoding: str, *, gzipped: bool) -> str:
    """The one that makes most declared columns of the header; then the declared one, then the one that makes most."""
    wanted = {text for column in schema.columns for text in (column.header, column.name)}

    def fits(separator: str) -> tuple[int, bool, int]:
        decimal = "." if separator == "," else schema.csv.decimal
        headers = CsvSource(
            place, CsvFormat(separator=separator, decimal=decimal, encoding=encoding), gzipped=gzipped
        ).headers
        return len(wanted & set(headers)), separator == schema.csv.separator, len(headers)

    return max(_SEPARATORS, key=fits)
