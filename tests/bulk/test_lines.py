"""Cutting text into whole records, wherever it is read in blocks."""

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loan_default.bulk import lines
from loan_default.bulk.lines import Piece, cut, first_end, record_ends
from loan_default.errors import BulkInputError

TEXTS = st.lists(st.sampled_from(["a", "bc", ",", '"', '""', "\n", "\r\n", "\r", " ", "é"]), max_size=40).map("".join)


def blocks(text: bytes, size: int) -> list[bytes]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def parsed(content: bytes) -> tuple[list[tuple[str, ...]], int]:
    """pyarrow's own reading: the rows of two fields, and how many others there are."""
    others: list[str] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        others.append(row.text)
        return "skip"

    table = pa_csv.read_csv(
        pa.BufferReader(content),
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=["x", "y"]),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pa_csv.ConvertOptions(column_types={"x": pa.string(), "y": pa.string()}),
    )
    return list(zip(table["x"].to_pylist(), table["y"].to_pylist(), strict=True)), len(others)


@given(TEXTS, st.integers(1, 50), st.integers(1, 5))
@example('a"b,1\nc,2\n', 3, 1)  # a quote inside a field is a character
@example('"a""b\n",1\n"x"y"z,2\n', 4, 1)
@example("a,1\r\rb,2", 1, 1)
@example("a,1\r\nb,2\r", 4, 1)
def test_pieces_of_any_text_read_one_by_one_are_what_pyarrow_reads_at_once(text: str, size: int, records: int) -> None:
    content = text.encode()
    try:
        pieces = list(cut(blocks(content, size), ",", records, 1 << 20))
    except BulkInputError:
        # pyarrow takes the rest of the text for the last value. Closed, it would have been good.
        assert list(cut([content + b'"\n'], ",", records, 1 << 20))
        return
    whole, others = parsed(content) if content else ([], 0)
    found = [parsed(piece.content) for piece in pieces]
    assert [row for rows, _ in found for row in rows] == whole
    assert sum(count for _, count in found) == others
    assert sum(piece.rows for piece in pieces) == len(whole) + others
    assert all(piece.rows <= records for piece in pieces)


@given(TEXTS, st.sampled_from([",", ";"]))
@example("a,1\r", ",")
@example('"a\n', ",")
def test_the_first_end_is_the_first_of_all(text: str, separator: str) -> None:
    ends = record_ends(text.encode(), separator)
    assert first_end(text.encode(), separator) == (ends[0] if len(ends) else 0)


@given(TEXTS, st.integers(1, 50), st.integers(1, 50), st.integers(1, 5), st.integers(1, 30))
def test_the_size_of_the_blocks_changes_no_piece(text: str, one: int, other: int, records: int, size: int) -> None:
    def pieces(block_size: int) -> list[Piece] | str:
        try:
            return list(cut(blocks(text.encode(), block_size), ",", records, size))
        except BulkInputError as error:
            return error.message

    assert pieces(one) == pieces(other)


@given(
    st.lists(st.sampled_from([b"{}", b'{"a": "\\""}', b"", b"\r"]), max_size=20), st.integers(1, 9), st.integers(1, 4)
)
def test_without_a_separator_every_line_is_a_record(records: list[bytes], size: int, most: int) -> None:
    text = b"\n".join(records)
    pieces = list(cut(blocks(text, size), None, most, 1 << 20))
    assert b"".join(piece.content for piece in pieces).rstrip(b"\n") == text.rstrip(b"\n")
    assert sum(piece.rows for piece in pieces) == sum(record not in {b"", b"\r"} for record in records)


def test_a_piece_ends_with_the_record_that_fills_it() -> None:
    pieces = list(cut([b"1,1\n22,22\n3,3\n4,4\n"], ",", 100, 9))
    assert [piece.content for piece in pieces] == [b"1,1\n22,22\n", b"3,3\n4,4\n"]


def test_a_quote_that_is_never_closed_is_said() -> None:
    with pytest.raises(BulkInputError, match="quote that is never closed"):
        list(cut([b'a,1\n"b,2\nc,3\n'], ",", 10, 1 << 20))


def test_a_record_may_not_be_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_RECORD_BYTES", 100)
    with pytest.raises(BulkInputError, match="longer than"):
        list(cut([b'"' + b"x" * 60, b"y" * 60], ",", 10, 1 << 20))
