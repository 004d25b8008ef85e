"""A portfolio as JSON, one applicant a line: each is checked by the request type of the API itself."""

import json
import threading
from collections import Counter
from collections.abc import Container, Iterator
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel

from loan_default.bulk.check import Checked, Reject, shown
from loan_default.bulk.lines import MOST_PIECE_BYTES, Piece, cut
from loan_default.bulk.source import Chunk, numbered
from loan_default.bulk.text import text_blocks
from loan_default.errors import InvalidApplicant, MalformedBody
from loan_default.schema import Column, Schema
from loan_default.schema.applicant import LARGEST_INTEGER, Encoder, applicant_model
from loan_default.schema.columns import BooleanColumn, CategoryColumn
from loan_default.schema.one_applicant import ApplicantParser
from loan_default.storage import Place


class JsonSource:
    """Applicants a line; the columns of the results are the declared ones, by their names."""

    def __init__(self, place: Place, schema: Schema, *, gzipped: bool, most_bytes: int | None = None) -> None:
        self._place, self._schema, self._gzipped, self._most_bytes = place, schema, gzipped, most_bytes
        self._encoder = Encoder(schema)
        self._parser = ApplicantParser(schema, applicant_model(schema, self._on_unknown), self._encoder)
        self._unknown = threading.local()
        self.carried = pa.schema([(column.name, _type(column)) for column in schema.columns])

    def pieces(self, most_rows: int) -> Iterator[Piece]:
        """The data, cut into whole lines.

        Raises:
            BulkInputError: it is no such text.
        """
        return cut(self._blocks(), None, most_rows, MOST_PIECE_BYTES)

    def chunks(self, most_rows: int, done: Container[int]) -> Iterator[Chunk]:
        """All chunks in order; those that are done come without their content."""
        return numbered(self.pieces(most_rows), done)

    def check(self, chunk: Chunk) -> Checked:
        """The good rows of a chunk, and what is wrong with the others."""
        self._unknown.counts = Counter[str]()
        good: list[BaseModel] = []
        numbers: list[int] = []
        rejects: list[Reject] = []
        unknown = Counter[str]()
        lines = (line for line in chunk.content.split(b"\n") if line not in {b"", b"\r"})
        for number, line in enumerate(lines, start=chunk.first + 1):
            self._unknown.counts.clear()
            try:
                good.append(self._parser.validated(line))
            except (InvalidApplicant, MalformedBody) as error:
                rejects += _rejects(number, line, error)
            else:
                numbers.append(number)
                unknown += self._unknown.counts
        rows = [self._encoder.row(applicant) for applicant in good]
        return Checked(
            self._table(good),
            np.array(rows, dtype=np.float64).reshape(-1, len(self._schema.columns)),
            np.array(numbers, dtype=np.int64),
            rejects,
            chunk.rows - len(good),
            dict(Counter(self._counted_as(reject) for reject in rejects)),
            dict(sorted(unknown.items())),
        )

    def _counted_as(self, reject: Reject) -> str:
        """A problem without what a caller made up: there must not be a count of its own for each misspelt field."""
        if not reject.column:
            return "row: must be an applicant in JSON"
        return f"{reject.column}: {reject.reason}" if reject.column in self.carried.names else "an unknown field"

    def _table(self, good: list[BaseModel]) -> pa.Table:
        fields = [f"column_{i}" for i in range(len(self._schema.columns))]
        columns = [
            pa.array([getattr(one, field) for one in good], of.type)
            for field, of in zip(fields, self.carried, strict=True)
        ]
        return pa.Table.from_arrays(columns, schema=self.carried)

    def _on_unknown(self, column: str, outcome: Literal["refused", "missing"]) -> None:
        if outcome == "missing":
            self._unknown.counts[column] += 1

    def _blocks(self) -> Iterator[bytes]:
        return text_blocks(self._place, gzipped=self._gzipped, encoding="utf-8", most_bytes=self._most_bytes)


def _type(column: Column) -> pa.DataType:
    if isinstance(column, CategoryColumn):
        return pa.string()
    if isinstance(column, BooleanColumn):
        return pa.bool_()
    ends = (bound for bound, _ in (column.lowest, column.highest) if np.isfinite(bound))
    exact = column.type == "integer" and all(abs(end) <= LARGEST_INTEGER for end in ends)
    return pa.int64() if exact else pa.float64()


def _rejects(row: int, line: bytes, error: InvalidApplicant | MalformedBody) -> Iterator[Reject]:
    if not error.details:
        yield Reject(row, "", "", shown(line.decode(errors="replace").strip()), error.message)
        return
    given: dict[str, Any] = json.loads(line)
    for detail in error.details:
        field = str(detail["field"])
        value = given.get(field)
        yield Reject(
            row, "", field, shown(value if isinstance(value, str) else json.dumps(value)), str(detail["problem"])
        )
