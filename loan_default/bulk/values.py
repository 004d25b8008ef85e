"""The columns of a table as numbers: what stands in a file is read as the declaration says, a whole column at a time.

Nothing is refused here: what is no value of its column becomes NaN, and `check.py` says so.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loan_default.errors import BulkInputError
from loan_default.schema import Column
from loan_default.schema.columns import BooleanColumn, CategoryColumn
from loan_default.schema.declaration import CsvFormat
from loan_default.schema.words import FALSE_WORDS, TRUE_WORDS

# How a number is written: no thousands separators, no hexadecimal, neither NaN nor infinity.
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"


class Values(NamedTuple):
    """A column.

    Attributes:
        numbers: (n,) as `Encoder.row` has them; NaN where a value is missing or is none of the column's.
        missing: (n,) where there is no value at all.
    """

    numbers: NDArray[np.float64]
    missing: NDArray[np.bool_]


def read_values(column: Column, header: str, found: pa.ChunkedArray, written: CsvFormat) -> Values:
    """Read one column of a table.

    Args:
        column: its declaration.
        header: what it is called in the source.
        found: what stands there: text, or a type of Parquet.
        written: how numbers and gaps are written in text.

    Raises:
        BulkInputError: its type cannot hold such values.
    """
    array = _plain(found)
    require_type(column, header, array.type)
    if pa.types.is_null(array.type):
        return Values(np.full(len(array), np.nan), np.ones(len(array), dtype=bool))
    if isinstance(column, CategoryColumn):
        return _categories(column, _text(array), written)
    if isinstance(column, BooleanColumn):
        return _booleans(array, written)
    return _numbers(array, written)


def require_type(column: Column, header: str, of: pa.DataType) -> None:
    """Refuse a column of a type that cannot be one of its declaration.

    Raises:
        BulkInputError: names the column, its type, and what is declared.
    """
    plain = of.value_type if pa.types.is_dictionary(of) else of
    if isinstance(column, CategoryColumn):
        fits = _is_text(plain) or pa.types.is_integer(plain)
    else:
        fits = _is_text(plain) or pa.types.is_integer(plain) or pa.types.is_floating(plain)
        fits = fits or (pa.types.is_boolean if isinstance(column, BooleanColumn) else pa.types.is_decimal)(plain)
    if not fits and not pa.types.is_null(plain):
        raise BulkInputError(f"The column {header!r} is of the type {of}, but it must be {column.allowed}.")


def _is_text(of: pa.DataType) -> bool:
    return bool(pa.types.is_string(of) or pa.types.is_large_string(of))


def _plain(found: pa.ChunkedArray) -> pa.Array:
    array = found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # what was too long to combine
        array = pa.concat_arrays(array.chunks)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _text(array: pa.Array) -> pa.Array:
    return array if _is_text(array.type) else array.cast(pa.string())


def _gaps(texts: pa.Array, written: CsvFormat) -> pa.Array:
    """Where a text says that there is no value; nulls stay null."""
    return pc.is_in(texts, value_set=pa.array(["", *written.missing_values], texts.type))


def _without_gaps(texts: pa.Array, written: CsvFormat) -> pa.Array:
    """The texts, null where there is no value."""
    gaps = _gaps(texts, written)
    return pc.if_else(gaps, pa.scalar(None, texts.type), texts) if gaps.true_count else texts


def _numbers(array: pa.Array, written: CsvFormat) -> Values:
    if not _is_text(array.type):
        return _as_values(array.cast(pa.float64(), safe=False))
    texts = _without_gaps(array, written)
    if written.decimal == ".":
        try:
            return _as_values(texts.cast(pa.float64()))
        except pa.ArrowInvalid:
            pass  # a few are no numbers, or are written oddly; they are worth a closer look
    return _carefully(pc.utf8_trim_whitespace(array), written)


def _carefully(trimmed: pa.Array, written: CsvFormat) -> Values:
    texts = _without_gaps(trimmed, written)
    missing = _mask(texts.is_null())
    if written.decimal == ",":
        # A point would be one between thousands, and 1.234 is not to become a little more than one.
        texts = pc.if_else(pc.match_substring(texts, "."), "", texts)
        texts = pc.replace_substring(texts, ",", ".")
    numbers = pc.if_else(pc.match_substring_regex(texts, _NUMBER), texts, pa.scalar(None, texts.type))
    return Values(_as_values(pc.utf8_ltrim(numbers, "+").cast(pa.float64())).numbers, missing)


def _booleans(array: pa.Array, written: CsvFormat) -> Values:
    if pa.types.is_boolean(array.type):
        return _as_values(array.cast(pa.float64()))
    if not _is_text(array.type):
        numbers, missing = _as_values(array.cast(pa.float64(), safe=False))
        return Values(np.where((numbers == 0) | (numbers == 1), numbers, np.nan), missing)
    texts = _without_gaps(pc.utf8_trim_whitespace(array), written)
    words = pc.utf8_lower(texts)
    true, false = _among(words, sorted(TRUE_WORDS)), _among(words, sorted(FALSE_WORDS))
    return Values(np.where(true, 1.0, np.where(false, 0.0, np.nan)), _mask(texts.is_null()))


def _categories(column: CategoryColumn, texts: pa.Array, written: CsvFormat) -> Values:
    texts = _without_gaps(pc.utf8_trim_whitespace(texts), written)
    codes = column.codes
    places = pc.index_in(texts, value_set=pa.array(list(codes), texts.type), skip_nulls=True)
    found = _mask(places.is_valid())
    numbers = np.array([*codes.values()], dtype=np.float64)[places.fill_null(0).to_numpy(zero_copy_only=False)]
    return Values(np.where(found, numbers, np.nan), _mask(texts.is_null()))


def _among(texts: pa.Array, words: Sequence[str]) -> NDArray[np.bool_]:
    return _mask(pc.is_in(texts, value_set=pa.array(words, texts.type)))


def _as_values(numbers: pa.Array) -> Values:
    missing = _mask(numbers.is_null()) if numbers.null_count else np.zeros(len(numbers), dtype=bool)
    return Values(numbers.to_numpy(zero_copy_only=False), missing)


def _mask(flags: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(flags.fill_null(fill_value=False).to_numpy(zero_copy_only=False), dtype=bool)
