"""A portfolio as Parquet: read in order, chunks of the same rows whatever its row groups are."""

from collections.abc import Container, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from loan_default.bulk.check import Checked, Checker
from loan_default.bulk.columns import Matched
from loan_default.bulk.source import Chunk
from loan_default.bulk.values import require_type
from loan_default.errors import BulkInputError
from loan_default.schema import Schema
from loan_default.schema.declaration import CsvFormat
from loan_default.storage import Place

# Of a column at once: a row group of any size is then read in constant memory.
_BUFFER_BYTES = 1 << 20


class ParquetSource:
    """A Parquet file.

    Attributes:
        rows: how many it has.
        data_bytes: its data as they are unpacked.
        carried: its columns.
    """

    def __init__(self, place: Place) -> None:
        """Read the footer.

        Raises:
            BulkInputError: it is no Parquet file.
        """
        self._place = place
        with self._open() as file:
            self.rows: int = file.metadata.num_rows
            self.carried: pa.Schema = pa.schema([_carried(field) for field in file.schema_arrow])
            described = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
            groups = [group.num_rows for group in described]
            self.data_bytes: int = sum(group.total_byte_size for group in described)
        self._ends = np.cumsum(groups, dtype=np.int64)
        self.headers: list[str] = list(self.carried.names)
        self._checker: Checker | None = None

    def prepare(self, schema: Schema, matched: Matched) -> None:
        """Take what the columns are to be checked by.

        Raises:
            BulkInputError: a column's type cannot be one of its declaration.
        """
        for column in schema.columns:
            if column.name in matched.columns:
                header = matched.columns[column.name]
                require_type(column, header, self.carried.field(header).type)
        self._checker = Checker(schema, matched.columns, CsvFormat())

    def chunks(self, most_rows: int, done: Container[int]) -> Iterator[Chunk]:
        """All chunks in order; those that are done come without their content."""
        count = -(-self.rows // most_rows)
        wanted = next((number for number in range(count) if number not in done), count)
        for number in range(wanted):
            yield Chunk(number, number * most_rows, min(most_rows, self.rows - number * most_rows), None)
        tables = self._tables(wanted * most_rows, most_rows)
        for number, table in enumerate(tables, start=wanted):
            yield Chunk(number, number * most_rows, table.num_rows, None if number in done else table)

    def check(self, chunk: Chunk) -> Checked:
        """The good rows of a chunk, and what is wrong with the others."""
        assert self._checker is not None  # noqa: S101  # `prepare` comes first
        return self._checker.check(chunk.content, np.arange(chunk.first + 1, chunk.first + chunk.rows + 1))

    def _tables(self, first: int, most_rows: int) -> Iterator[pa.Table]:
        """The rows from `first` on, in tables of `most_rows`."""
        group = int(np.searchsorted(self._ends, first, side="right"))
        skipped = first - (int(self._ends[group - 1]) if group else 0)
        waiting: list[pa.RecordBatch] = []
        rows = 0
        try:
            with self._open() as file:
                groups = list(range(group, file.num_row_groups))
                for whole in file.iter_batches(most_rows, row_groups=groups, use_threads=False):
                    batch = whole.slice(min(skipped, whole.num_rows))
                    skipped -= whole.num_rows - batch.num_rows
                    while rows + batch.num_rows >= most_rows:
                        waiting.append(batch.slice(0, most_rows - rows))
                        batch = batch.slice(most_rows - rows)
                        yield self._table(waiting)
                        waiting, rows = [], 0
                    if batch.num_rows:
                        waiting.append(batch)
                        rows += batch.num_rows
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise _unreadable(error) from error
        except OSError as error:
            # So pyarrow calls damaged pages; elsewhere than on a disk it may be the network's trouble.
            if error.errno is not None or not isinstance(self._place.fs, LocalFileSystem):
                raise
            raise _unreadable(error) from error
        if waiting:
            yield self._table(waiting)

    def _table(self, batches: list[pa.RecordBatch]) -> pa.Table:
        return pa.Table.from_batches(batches).replace_schema_metadata(None).cast(self.carried)

    def _open(self) -> pq.ParquetFile:
        stream = self._place.fs.open_input_file(self._place.path)
        try:
            return pq.ParquetFile(stream, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise _unreadable(error) from error


def _carried(field: pa.Field) -> pa.Field:
    """A column as the results have it: views become plain text or bytes, which all of pyarrow works with.

    Raises:
        BulkInputError: pyarrow cannot take rows out of such a column.
    """
    of = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}.get(field.type, field.type)
    try:
        pa.array([None], of).take(pa.array([0]))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise BulkInputError(
            f"The column {field.name!r} is of the type {field.type}, which cannot be passed through: leave it out."
        ) from error
    return pa.field(field.name, of)


def _unreadable(error: Exception) -> BulkInputError:
    return BulkInputError(f"The portfolio is not a readable Parquet file: {' '.join(str(error).split())[:300]}")
