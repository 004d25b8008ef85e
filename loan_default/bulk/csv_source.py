"""A portfolio as CSV: every field is text and stays as it was written; only what is scored is read as numbers."""

import csv
import heapq
import io
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from loan_default.bulk.check import Checked, Checker, Reject, shown
from loan_default.bulk.columns import Matched
from loan_default.bulk.lines import MOST_PIECE_BYTES, Piece, cut, first_end
from loan_default.bulk.source import Chunk, numbered
from loan_default.bulk.text import text_blocks
from loan_default.errors import BulkInputError
from loan_default.schema import Schema
from loan_default.schema.declaration import CsvFormat
from loan_default.storage import Place

_MOST_HEADER_BYTES = 1 << 20


class CsvSource:
    """A CSV whose format is known.

    Attributes:
        headers: its columns; empty where a column has no name.
    """

    def __init__(self, place: Place, written: CsvFormat, *, gzipped: bool, most_bytes: int | None = None) -> None:
        """Read the header.

        Raises:
            BulkInputError: there is none.
        """
        self._place, self._written, self._gzipped, self._most_bytes = place, written, gzipped, most_bytes
        self.headers, _ = self._open()
        # Columns without a name are what spreadsheets leave at the end. They are read, and left out.
        self._read_as = [name or f"\0{i}" for i, name in enumerate(self.headers)]
        self.carried = pa.schema([(name, pa.string()) for name in self.headers if name])
        self._checker: Checker | None = None

    def prepare(self, schema: Schema, matched: Matched) -> None:
        """Take what the columns are to be checked by."""
        self._checker = Checker(schema, matched.columns, self._written)

    def pieces(self, most_rows: int) -> Iterator[Piece]:
        """The data, cut into whole records.

        Raises:
            BulkInputError: it is not such a CSV.
        """
        _, blocks = self._open()
        return cut(blocks, self._written.separator, most_rows, MOST_PIECE_BYTES)

    def chunks(self, most_rows: int, done: Container[int]) -> Iterator[Chunk]:
        """All chunks in order; those that are done come without their content."""
        return numbered(self.pieces(most_rows), done)

    def check(self, chunk: Chunk) -> Checked:
        """The good rows of a chunk, and what is wrong with the others."""
        assert self._checker is not None  # noqa: S101  # `prepare` comes first
        malformed: list[Reject] = []

        def on_malformed(row: pa_csv.InvalidRow) -> str:
            columns, found = row.expected_columns, row.actual_columns
            reason = f"must have {columns} field{'s' if columns > 1 else ''} as the header has, not {found}"
            malformed.append(Reject(chunk.first + row.number, "", "", shown(row.text), reason))
            return "skip"

        try:
            table = self._parse(chunk.content, on_malformed)
        except pa.ArrowInvalid:  # whose message may quote a row
            table = None
        if table is None or table.num_rows + len(malformed) != chunk.rows:
            raise BulkInputError(f"Some of the rows after row {chunk.first:,} are not readable as CSV.")
        numbers = np.arange(chunk.first + 1, chunk.first + chunk.rows + 1)
        numbers = np.delete(numbers, [reject.row - chunk.first - 1 for reject in malformed])
        checked = self._checker.check(table, numbers)
        if not malformed:
            return checked
        return replace(
            checked,
            rejects=heapq.merge(malformed, checked.rejects, key=lambda reject: reject.row),
            rejected=len(malformed) + checked.rejected,
            problems={"row: must have as many fields as the header": len(malformed)} | checked.problems,
        )

    def _parse(self, content: bytes, on_malformed: object) -> pa.Table:
        table = pa_csv.read_csv(
            pa.BufferReader(content),
            # A chunk in one piece: then each malformed row comes with its number.
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=self._read_as),
            parse_options=pa_csv.ParseOptions(
                delimiter=self._written.separator,
                newlines_in_values=b'"' in content,
                invalid_row_handler=on_malformed,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(self._read_as, pa.string()), strings_can_be_null=False
            ),
        )
        return table.select([i for i, name in enumerate(self.headers) if name]).cast(self.carried)

    def _open(self) -> tuple[list[str], Iterator[bytes]]:
        """The header, and the text after it."""
        blocks = text_blocks(
            self._place, gzipped=self._gzipped, encoding=self._written.encoding, most_bytes=self._most_bytes
        )
        head, end = b"", 0
        for block in blocks:
            head += block
            end = first_end(head, self._written.separator)
            if end or len(head) > _MOST_HEADER_BYTES:
                break
        else:
            end = first_end(head + b"\n", self._written.separator)
        if not head.strip():
            raise BulkInputError("The portfolio is empty; it must begin with a header.")
        return _header(head[:end], self._written.separator), chain([head[end:]], blocks)


def _header(line: bytes, separator: str) -> list[str]:
    try:
        fields = next(csv.reader(io.StringIO(line.decode(), newline=""), delimiter=separator), [])
    except csv.Error as error:
        raise BulkInputError("The portfolio's first line is not readable as a header.") from error
    headers = [field.strip() for field in fields]
    if not any(headers):
        raise BulkInputError("The portfolio must begin with a header; its first line names no column.")
    return headers
