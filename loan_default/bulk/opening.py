"""Opens a portfolio as its order says it is written."""

from loan_default.bulk.columns import Matched, match
from loan_default.bulk.csv_source import CsvSource
from loan_default.bulk.json_source import JsonSource
from loan_default.bulk.order import BulkOrder, Written
from loan_default.bulk.parquet_source import ParquetSource
from loan_default.bulk.source import TextSource
from loan_default.errors import BulkInputError
from loan_default.schema import Schema
from loan_default.storage import Place

CHANGED = "The portfolio has changed since it was handed in: hand it in again."


def require_unchanged(place: Place, order: BulkOrder) -> None:
    """Refuse a source that is not the one that was inspected.

    Raises:
        BulkInputError: it is gone, or has another size or time.
    """
    info = place.fs.get_file_info(place.path)
    for known, now in ((order.source_bytes, info.size), (order.source_mtime_ns, info.mtime_ns)):
        if known is not None and known != now:
            raise BulkInputError(CHANGED)


def open_source(
    place: Place, written: Written, schema: Schema, *, reasons: bool, most_bytes: int | None = None
) -> tuple[TextSource | ParquetSource, Matched]:
    """A source ready to be read, and its columns.

    Args:
        place: where it is.
        written: how it is written, the format of a CSV included.
        schema: what its rows are checked by.
        reasons: whether the results have reasons.
        most_bytes: to which a gzipped source may unpack.

    Raises:
        BulkInputError: it is not so written, or lacks a column.
    """
    if written.kind == "json":
        names = {name: name for name in schema.column_names}
        source = JsonSource(place, schema, gzipped=written.gzipped, most_bytes=most_bytes)
        return source, Matched(names, [], [])
    if written.kind == "parquet":
        table = ParquetSource(place)
        matched = match(table.headers, schema, reasons=reasons)
        table.prepare(schema, matched)
        return table, matched
    assert written.csv is not None  # noqa: S101  # `inspect` has found it
    text = CsvSource(place, written.csv, gzipped=written.gzipped, most_bytes=most_bytes)
    matched = match([header for header in text.headers if header], schema, reasons=reasons)
    text.prepare(schema, matched)
    return text, matched
