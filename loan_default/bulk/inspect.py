"""The first look at a portfolio, when it is handed in: how it is written, which columns it has, how many rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loan_default.bulk.order import BulkOrder, Written
from loan_default.decision import Stored
from loan_default.errors import BulkInputError
from loan_default.schema import Schema
from loan_default.storage import Place

if TYPE_CHECKING:  # at run time with the first portfolio: whoever only reads what was found does without pyarrow
    from loan_default.bulk.parquet_source import ParquetSource
    from loan_default.bulk.source import TextSource

# Measured with benchmarks/bulk.py: larger chunks are no faster, smaller ones pay more for each part.
MOST_CHUNK_ROWS = 131_072
# Of JSON, where a row is an object, and with reasons, which take a hundred times as long: stopping waits for a chunk.
MOST_SLOW_ROWS = 16_384
_CHUNK_BYTES = 16 << 20
# A small portfolio is cut smaller, so that all threads have something to do to the end.
_LEAST_CHUNKS, _LEAST_CHUNK_ROWS = 16, 16_384


class Inspected(Stored):
    """What was found, for the caller to see.

    Attributes:
        order: what follows from it.
        columns: the declared columns by the header that stands for each of them.
        missing: declared columns that the source lacks, and that may be missing.
        carried: headers of the columns that only pass through to the results.
        notes: what was found rather than stated, in sentences: the encoding, the separator.
    """

    order: BulkOrder
    columns: dict[str, str]
    missing: Sequence[str]
    carried: Sequence[str]
    notes: Sequence[str]


def inspect(  # noqa: PLR0913  # what a caller may say of a portfolio
    source: Place,
    schema: Schema,
    written: Written,
    *,
    most_rows: int | None = None,
    most_bytes: int | None = None,
    reasons: bool = False,
) -> Inspected:
    """Look at a whole source without scoring it; takes about as long as reading it once.

    Args:
        source: the portfolio.
        schema: what the model takes.
        written: what is known of it: the kind, and for a CSV its format, or None to have it found.
        most_rows: beyond, it is refused; None takes any number.
        most_bytes: to which a gzipped source may unpack.
        reasons: whether each declined row is to get its reasons.

    Raises:
        BulkInputError: it is not what `written` says, lacks a column, has one twice, has a name that the results need,
            has no rows, or too many.
    """
    from pyarrow.fs import FileType

    from loan_default.bulk.opening import open_source

    info = source.fs.get_file_info(source.path)
    if info.type != FileType.File:
        raise BulkInputError("There is no such portfolio.")
    written, notes = _written(source, schema, written, most_bytes)
    opened, matched = open_source(source, written, schema, reasons=reasons, most_bytes=most_bytes)
    rows, text_bytes = _size(opened, info.size, most_rows)
    if not rows:
        raise BulkInputError("The portfolio has no rows.")
    order = BulkOrder(
        written=written,
        rows=rows,
        reasons=reasons,
        chunk_rows=_chunk_rows(rows, text_bytes, slow=reasons or written.kind == "json"),
        source_bytes=info.size,
        source_mtime_ns=info.mtime_ns,
    )
    return Inspected(
        order=order, columns=matched.columns, missing=matched.missing, carried=matched.carried, notes=notes
    )


def _written(source: Place, schema: Schema, written: Written, most_bytes: int | None) -> tuple[Written, list[str]]:
    if written.kind != "csv" or written.csv is not None:
        return written, []
    from loan_default.bulk.find_format import find_format

    found, notes = find_format(source, schema, gzipped=written.gzipped, most_bytes=most_bytes)
    return written.model_copy(update={"csv": found}), notes


def _size(source: "TextSource | ParquetSource", file_bytes: int, most_rows: int | None) -> tuple[int, int]:
    """Rows and bytes of a source, those of text as it is unpacked."""
    from loan_default.bulk.parquet_source import ParquetSource

    if isinstance(source, ParquetSource):
        _require_few(source.rows, most_rows)
        return source.rows, max(file_bytes, source.data_bytes)
    rows = text_bytes = 0
    for piece in source.pieces(MOST_CHUNK_ROWS):
        rows += piece.rows
        text_bytes += len(piece.content)
        if b"\0" in piece.content:
            raise BulkInputError("The portfolio holds NUL bytes, so it is no text; perhaps its encoding is another.")
        _require_few(rows, most_rows)
    return rows, text_bytes


def _require_few(rows: int, most_rows: int | None) -> None:
    if most_rows is not None and rows > most_rows:
        raise BulkInputError(f"The portfolio has more than {most_rows:,} rows; split it.")


def _chunk_rows(rows: int, size: int, *, slow: bool) -> int:
    """Fewer rows a chunk when they are wide, so that the chunks in memory at once stay small."""
    most = MOST_SLOW_ROWS if slow else MOST_CHUNK_ROWS
    enough = max(_LEAST_CHUNK_ROWS, rows // _LEAST_CHUNKS)
    return max(1, min(most, enough, _CHUNK_BYTES * rows // max(size, 1)))
