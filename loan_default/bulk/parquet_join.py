"""Joins Parquet files of one schema into one, by copying their row groups as they are under a common footer.

Encoding is most of the work of writing Parquet. Chunks are encoded by several threads, and never again: what is left
to do at the end is to copy bytes. pyarrow can put footers together, but not move a row group to another place in a
file, so the places in the footer are moved here. The numbers of fields are those of `parquet.thrift` in the Apache
Parquet format.
"""

from loan_default.bulk.thrift import I64, Struct, read_struct, write_struct

MAGIC = b"PAR1"
_TAIL = 8  # the footer's length, and the magic bytes again

# FileMetaData
_FILE_ROWS, _ROW_GROUPS = 3, 4
# RowGroup
_COLUMNS, _GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 1, 3, 5, 7
# ColumnChunk: its offset is deprecated; the offsets of indexes, which our files do not have, would move as well.
_CHUNK_OFFSET, _META, _OFFSET_INDEX, _COLUMN_INDEX = 2, 3, 4, 6
# ColumnMetaData: pages of data, of an index, of a dictionary; a Bloom filter
_PAGE_OFFSETS = (9, 10, 11, 14)


class Joined:
    """The footer of the joined file, as it grows with each file whose body is copied."""

    def __init__(self) -> None:
        self._footer: Struct | None = None
        self._groups: list[Struct] = []
        self._rows = 0
        self._end = len(MAGIC)

    def add(self, content: memoryview) -> memoryview:
        """Take up a whole Parquet file; returns the bytes of it to be copied now."""
        size = int.from_bytes(content[-_TAIL:-4], "little")
        body = content[len(MAGIC) : -_TAIL - size]
        footer = read_struct(bytes(content[-_TAIL - size : -_TAIL]))
        if self._footer is None:
            self._footer = footer
        groups = [group for group in footer[_ROW_GROUPS][1][1] if group[_GROUP_ROWS][1]]
        if not groups:
            return body[:0]
        for group in groups:
            _move(group, self._end - len(MAGIC))
            if _ORDINAL in group:
                group[_ORDINAL] = (group[_ORDINAL][0], len(self._groups))
            self._groups.append(group)
        self._rows += footer[_FILE_ROWS][1]
        self._end += len(body)
        return body

    def end(self) -> bytes:
        """What stands after all bodies."""
        assert self._footer is not None  # noqa: S101  # a job has at least one part
        wire, (of, _) = self._footer[_ROW_GROUPS]
        footer = {**self._footer, _FILE_ROWS: (I64, self._rows), _ROW_GROUPS: (wire, (of, self._groups))}
        content = write_struct(footer)
        return content + len(content).to_bytes(4, "little") + MAGIC


def _move(group: Struct, by: int) -> None:
    """Move a row group's places by so many bytes."""
    _shift(group, _GROUP_OFFSET, by)
    for column in group[_COLUMNS][1][1]:
        for field in (_CHUNK_OFFSET, _OFFSET_INDEX, _COLUMN_INDEX):
            _shift(column, field, by)
        for field in _PAGE_OFFSETS:
            _shift(column[_META][1], field, by)


def _shift(fields: Struct, number: int, by: int) -> None:
    if number in fields and fields[number][1]:  # 0: not told
        wire, value = fields[number]
        fields[number] = (wire, value + by)
