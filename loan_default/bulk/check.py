"""Holds the rows of a table against the declaration, as the API does for one applicant, and says what is wrong."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loan_default.bulk.values import Values, read_values
from loan_default.schema import Column, Schema
from loan_default.schema.applicant import LARGEST_INTEGER
from loan_default.schema.columns import CategoryColumn, NumberColumn
from loan_default.schema.declaration import CsvFormat
from loan_default.schema.words import allowed_in_files

_LONGEST_VALUE = 100
_REJECTS_AT_ONCE = 4096


class Reject(NamedTuple):
    """One problem of one row.

    Attributes:
        row: counted from 1, the first row of data.
        id: the value of the id column, when the source has one.
        column: by its header; empty when the row itself is wrong.
        value: what stands there, shortened.
        reason: what would be right.
    """

    row: int
    id: str
    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """Rows that were looked at.

    Attributes:
        table: the good rows, as they came.
        applicants: (n, number of columns) of the good rows, in the declaration's order; NaN = missing.
        numbers: (n,) where each good row stands in the source, counted from 1.
        rejects: what is wrong with the others, by row; to be gone through once.
        rejected: how many others there are.
        problems: how often each thing is wrong, by column and reason.
        unknown: how many values of a category were not known and count as missing, by column name.
    """

    table: pa.Table
    applicants: NDArray[np.float64]
    numbers: NDArray[np.int64]
    rejects: Iterable[Reject]
    rejected: int
    problems: dict[str, int]
    unknown: dict[str, int]


class Checker:
    """Checks the tables of one source."""

    def __init__(self, schema: Schema, columns: Mapping[str, str], written: CsvFormat) -> None:
        """Take the declaration, the header of each declared column that is there, and how values are written."""
        self._schema = schema
        self._headers = columns
        self._written = written
        self._reasons = {column.name: f"must be {allowed_in_files(column)}" for column in schema.columns}

    def check(self, table: pa.Table, numbers: NDArray[np.int64]) -> Checked:
        """Check a table whose rows stand at `numbers`, (n,), in the source."""
        applicants = np.empty((table.num_rows, len(self._schema.columns)))
        wrong: dict[str, NDArray[np.bool_]] = {}
        unknown: dict[str, NDArray[np.bool_]] = {}
        for i, column in enumerate(self._schema.columns):
            if column.name not in self._headers:
                applicants[:, i] = np.nan
                continue
            header = self._headers[column.name]
            values = read_values(column, header, table[header], self._written)
            applicants[:, i] = values.numbers
            refused = _refused(column, values)
            if refused.any():
                wrong[column.name] = refused
            if isinstance(column, CategoryColumn) and column.unknown == "missing":
                unknown[column.name] = np.isnan(values.numbers) & ~values.missing
        if not wrong:
            return Checked(table, applicants, numbers, (), 0, {}, _counts(unknown, slice(None)))
        good = ~np.logical_or.reduce([*wrong.values()])
        return Checked(
            table.filter(pa.array(good)),
            applicants[good],
            numbers[good],
            self._rejects(table, numbers, wrong),
            int(np.count_nonzero(~good)),
            {f"{self._headers[name]}: {self._reasons[name]}": int(np.count_nonzero(of)) for name, of in wrong.items()},
            _counts(unknown, good),
        )

    def _rejects(
        self, table: pa.Table, numbers: NDArray[np.int64], wrong: Mapping[str, NDArray[np.bool_]]
    ) -> Iterator[Reject]:
        """By row, then by column; a few rows at a time, because every row of a portfolio may be wrong."""
        bad = np.flatnonzero(np.logical_or.reduce([*wrong.values()]))
        for start in range(0, len(bad), _REJECTS_AT_ONCE):
            some = bad[start : start + _REJECTS_AT_ONCE]
            rows = table.take(pa.array(some))
            keys = rows[self._schema.id].to_pylist() if self._schema.id in rows.column_names else [None] * len(some)
            values = {name: rows[self._headers[name]].to_pylist() for name in wrong}
            for i, place in enumerate(some.tolist()):
                for name, of in wrong.items():
                    if of[place]:
                        said = (self._headers[name], shown(values[name][i]), self._reasons[name])
                        yield Reject(int(numbers[place]), shown(keys[i]), *said)


def shown(value: object) -> str:
    """A value as the file of rejects has it."""
    return "" if value is None else str(value)[:_LONGEST_VALUE]


def _refused(column: Column, values: Values) -> NDArray[np.bool_]:
    numbers, missing = values
    gaps = np.zeros(len(missing), dtype=bool) if column.may_be_missing else missing
    if isinstance(column, CategoryColumn) and column.unknown == "missing":
        return gaps
    wrong = ~np.isfinite(numbers)
    if isinstance(column, NumberColumn):
        if column.type == "integer":
            wrong |= numbers != np.floor(numbers)
            wrong |= _too_large(column, numbers)
        for _, holds, bound in column.limits:
            wrong |= ~holds(numbers, bound)
    return np.where(missing, gaps, wrong)


def _too_large(column: NumberColumn, integers: NDArray[np.float64]) -> NDArray[np.bool_]:
    """As in the API: what a float64 may not hold exactly, on each side that has no declared limit."""
    low = np.isinf(column.lowest[0]) & (integers < -LARGEST_INTEGER)
    return np.asarray(low | (np.isinf(column.highest[0]) & (integers > LARGEST_INTEGER)))


def _counts(unknown: Mapping[str, NDArray[np.bool_]], good: NDArray[np.bool_] | slice) -> dict[str, int]:
    counts = {name: int(np.count_nonzero(places[good])) for name, places in unknown.items()}
    return {name: count for name, count in counts.items() if count}
