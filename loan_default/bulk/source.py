"""What a source of rows is, whatever it is written in: chunks in order, each of which is checked by itself."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from loan_default.bulk.check import Checked
from loan_default.bulk.lines import Piece


@dataclass(frozen=True)
class Chunk:
    """Some consecutive rows of a source.

    Attributes:
        number: counted from 0.
        first: how many rows stand before it.
        rows: how many it has.
        content: the rows as the source keeps them until they are checked; None when they need not be.
    """

    number: int
    first: int
    rows: int
    content: Any


class Source(Protocol):
    """A portfolio that is being read."""

    @property
    def carried(self) -> pa.Schema:
        """The columns that each checked table has."""

    def chunks(self, most_rows: int, done: Container[int]) -> Iterator[Chunk]:
        """All chunks in order; those that are done come without their content.

        Raises:
            BulkInputError: the source cannot be read.
        """

    def check(self, chunk: Chunk) -> Checked:
        """The good rows of a chunk, and what is wrong with the others; several threads may call it at once.

        Raises:
            BulkInputError: the source cannot be read.
        """


class TextSource(Source, Protocol):
    """A portfolio whose rows are only counted by reading them."""

    def pieces(self, most_rows: int) -> Iterator[Piece]:
        """The data, cut into whole rows; raises BulkInputError as `chunks`."""


def numbered(pieces: Iterable[Piece], done: Container[int]) -> Iterator[Chunk]:
    """Pieces of text as chunks."""
    first = 0
    for number, piece in enumerate(pieces):
        yield Chunk(number, first, piece.rows, None if number in done else piece.content)
        first += piece.rows
