"""Cuts a stream of text into chunks of whole records, the same wherever it is read in blocks.

A record of a CSV ends at a line end outside quotes, exactly where pyarrow's parser ends it: a quote opens a field only
at its beginning, and anywhere else it is a character like any other. Any of LF, CRLF and CR ends a line. Without a
separator (JSON, one applicant a line) LF alone does.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_default.errors import BulkInputError

MOST_RECORD_BYTES = 8 << 20
# Rows may be much longer in one place than on average.
MOST_PIECE_BYTES = 32 << 20

_QUOTE, _LF, _CR = b'"\n\r'


@dataclass(frozen=True)
class Piece:
    """Some whole records.

    Attributes:
        content: their bytes, each record with its line end.
        rows: how many records are not blank lines.
    """

    content: bytes
    rows: int


def cut(blocks: Iterable[bytes], separator: str | None, most_records: int, most_bytes: int) -> Iterator[Piece]:
    """Pieces of so many records each, blank lines included; of fewer at the end, and where records are long.

    Args:
        blocks: the text in UTF-8, in blocks of any size.
        separator: of a CSV; None when a line is a record.
        most_records: of a piece.
        most_bytes: with the record that reaches it, a piece ends.

    Raises:
        BulkInputError: a record is longer than `MOST_RECORD_BYTES`, or a quote is never closed.
    """
    waiting, records, size, rows = list[bytes](), 0, 0, 0
    for data, ends in _whole_records(blocks, separator):
        real, start, taken = _not_blank(data, ends), 0, 0
        while taken < len(ends):
            reaching = int(np.searchsorted(ends, start + most_bytes - size)) + 1
            upto = min(taken + most_records - records, reaching)
            whole, upto = upto <= len(ends), min(upto, len(ends))
            waiting.append(data[start : ends[upto - 1]])
            rows += int(np.count_nonzero(real[taken:upto]))
            records, size = records + upto - taken, size + len(waiting[-1])
            start, taken = int(ends[upto - 1]), upto
            if whole:
                yield Piece(b"".join(waiting), rows)
                waiting, records, size, rows = [], 0, 0, 0
    if waiting:
        yield Piece(b"".join(waiting), rows)


def record_ends(data: bytes, separator: str | None) -> NDArray[np.int64]:
    """Where each whole record ends, from data that begin with a record: the position after its line end.

    A CR that is the last byte ends no record yet, because an LF may follow.
    """
    lf = np.flatnonzero(np.frombuffer(data, np.uint8) == _LF)
    if separator is None:
        return np.asarray(lf + 1)
    lone_cr = data.count(b"\r") - data.count(b"\r\n") > data.endswith(b"\r")
    if b'"' not in data:
        return _by_grammar(data, separator) if lone_cr else np.asarray(lf + 1)
    quotes = np.flatnonzero(np.frombuffer(data, np.uint8) == _QUOTE)
    if lone_cr or not _well_formed(data, quotes, separator):
        return _by_grammar(data, separator)
    return np.asarray(lf[np.searchsorted(quotes, lf) % 2 == 0] + 1)


def first_end(data: bytes, separator: str) -> int:
    """Where the first record ends, as `record_ends` has it; 0 when it does not end yet."""
    found = _record(separator).match(data)
    return found.end() if found else 0


def _whole_records(blocks: Iterable[bytes], separator: str | None) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
    rest = b""
    for block in blocks:
        data = rest + block
        ends = record_ends(data, separator)
        whole = int(ends[-1]) if len(ends) else 0
        rest = data[whole:]
        if len(rest) > MOST_RECORD_BYTES:
            raise BulkInputError(
                f"A row is longer than {MOST_RECORD_BYTES >> 20} MiB: most likely a quote is never closed."
            )
        if whole:
            yield data, ends
    if rest:
        data = rest if rest.endswith(b"\n") else rest + b"\n"
        ends = record_ends(data, separator)
        if not len(ends) or ends[-1] != len(data):
            raise BulkInputError("The last row has a quote that is never closed.")
        yield data, ends


def _not_blank(data: bytes, ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    lengths = np.diff(ends, prepend=0)
    bytes_ = np.frombuffer(data, np.uint8)
    return np.asarray(~((lengths == 1) | ((lengths == 2) & (bytes_[ends - 2] == _CR))))


def _well_formed(data: bytes, quotes: NDArray[np.int64], separator: str) -> bool:
    """Whether every other quote opens a field or doubles the one before it, so that counting quotes is enough."""
    opening = quotes[::2]
    before = np.frombuffer(data, np.uint8)[opening - 1]
    doubled = np.zeros(len(opening), dtype=bool)
    doubled[1:] = opening[1:] - 1 == quotes[1::2][: len(opening) - 1]
    begins = (opening == 0) | (before == ord(separator)) | (before == _LF) | (before == _CR)
    return bool((begins | doubled).all())


def _record(separator: str) -> re.Pattern[bytes]:
    """A whole record; nothing is matched twice, so a long one takes no longer than its bytes."""
    other = rb"[^%s\r\n]" % re.escape(separator.encode())
    quoted, plain = rb'"(?:[^"]++|"")*+"(?!")' + other + rb"*+", rb'(?!")' + other + rb"*+"
    field = rb"(?>" + quoted + rb"|" + plain + rb")"
    more = rb"(?>" + re.escape(separator.encode()) + field + rb")*+"
    return re.compile(field + more + rb"(?>\r\n|\n|\r(?=.))", re.DOTALL)


def _by_grammar(data: bytes, separator: str) -> NDArray[np.int64]:
    """The ends of all records by their grammar; slow, for files that are written oddly."""
    record = _record(separator)
    ends = list[int]()
    place = 0
    while found := record.match(data, place):
        place = found.end()
        ends.append(place)
    return np.array(ends, dtype=np.int64)
