"""The results of a finished job in another format, block by block in constant memory, ready to be sent or written."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loan_default.bulk.columns import REASONS
from loan_default.bulk.files import RESULTS
from loan_default.bulk.formulas import column_as_text
from loan_default.bulk.order import Formulas, ResultFormat
from loan_default.storage import Folder

_ROWS_AT_ONCE = 16_384
# What JSON needs more than a backslash for.
_CONTROL = r"[\x00-\x1f]"
# RFC 4180, and a leading or trailing blank, which some readers would take away.
_NEEDS_QUOTES = r'[",\r\n]|^\s|\s$'


def iter_results(folder: Folder, written: ResultFormat, formulas: Formulas = "text") -> Iterator[bytes]:
    """All scored rows in the source's order.

    Args:
        folder: of a finished job.
        written: `parquet` as the file is; `csv` with a header, gaps as empty fields, reasons one after another in one
            field; `json` as one array with an object for each row.
        formulas: of a CSV: `text` marks what a spreadsheet would run as text, `keep` leaves every cell as it came.

    Raises:
        FileNotFoundError: the job is not finished, or its results are gone.
    """
    if written == "parquet":
        yield from folder.blocks(RESULTS)
        return
    folder.size(RESULTS)  # pyarrow's own error would name the whole path
    place = folder.place(RESULTS)
    with place.fs.open_input_file(place.path) as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
        batches = file.iter_batches(_ROWS_AT_ONCE, use_threads=False)
        yield from (
            _csv(file.schema_arrow.names, batches, formulas)
            if written == "csv"
            else _json(file.schema_arrow.names, batches)
        )


def _csv(names: list[str], batches: Iterator[pa.RecordBatch], formulas: Formulas) -> Iterator[bytes]:
    written = _quoted_as_text if formulas == "text" else _quoted
    yield _lines([written(pa.array([name])) for name in names])
    for batch in batches:
        yield _lines([_field(batch, name, written) for name in names])


def _field(batch: pa.RecordBatch, name: str, written: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """A column as the text of CSV fields; `written` makes it of text."""
    column = batch[name]
    if name == REASONS and pa.types.is_list(column.type):
        return written(pc.binary_join(column, " ").fill_null(""))
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        text = column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # what is nested or no text
        text = pa.array([None if value is None else _text(value) for value in column.to_pylist()], pa.string())
    text = text.fill_null("")
    return text if pa.types.is_primitive(column.type) else written(text)


def _quoted_as_text(texts: pa.Array) -> pa.Array:
    return _quoted(column_as_text(texts))


def _quoted(texts: pa.Array) -> pa.Array:
    """The texts, in quotes where CSV needs them."""
    needed = pc.match_substring_regex(texts, _NEEDS_QUOTES)
    if not needed.true_count:
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(needed, pc.binary_join_element_wise('"', doubled, '"', ""), texts)


def _lines(fields: list[pa.Array]) -> bytes:
    joined = pc.binary_join_element_wise(*fields, ",")
    lines = pc.binary_join_element_wise(joined, "", "\n")  # each with its line end, one after another in one buffer
    return bytes(lines.buffers()[2]) if len(lines) else b""


def _json(names: list[str], batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """By whole columns, as a CSV is: a dictionary for each row would keep other threads of the process waiting."""
    parts = [f"{',' if i else '{'}{_text(name)}:" for i, name in enumerate(names)]
    first = True
    for batch in batches:
        if batch.num_rows:
            columns = [part for pair in zip(parts, map(_value, batch.columns), strict=True) for part in pair]
            lines = pc.binary_join_element_wise(",\n", *columns, "}", "")
            text = bytes(lines.buffers()[2])
            yield b"[" + text[1:] if first else text
            first = False
    yield b"[]\n" if first else b"\n]\n"


def _value(column: pa.Array) -> pa.Array:
    """A column as the text of JSON values."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_finite(column), column, None)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.cast(pa.string()).fill_null("null")
    if pa.types.is_string(kind) and not pc.any(pc.match_substring_regex(column, _CONTROL)).as_py():
        escaped = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '\\"')
        return pc.binary_join_element_wise('"', escaped, '"', "").fill_null("null")
    return pa.array([_text(value) for value in column.to_pylist()], pa.string())


def _text(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
