"""Which column of a portfolio stands for which declared one, and which only pass through to the results."""

from collections.abc import Sequence
from dataclasses import dataclass

from loan_default.errors import BulkInputError
from loan_default.schema import Column, Schema

# What a result adds to the source's columns; a source must not have columns of these names.
ROW, PROBABILITY, PREDICTION, BAND, VERSION = "row", "probability", "prediction", "default_risk", "model_version"
REASONS = "reasons"


@dataclass(frozen=True)
class Matched:
    """The columns of a source.

    Attributes:
        columns: the declared columns by the header that stands for each, in the declaration's order.
        missing: names of declared columns that the source lacks, and that may be missing.
        carried: headers of all other columns, in the source's order.
    """

    columns: dict[str, str]
    missing: list[str]
    carried: list[str]


def match(headers: Sequence[str], schema: Schema, *, reasons: bool) -> Matched:
    """Match a source's headers with the declaration, by the header or by the name that the API uses.

    Raises:
        BulkInputError: a header stands there twice, a column has two, one is lacking, or a name is needed for results.
    """
    _require_distinct(headers)
    _require_free(headers, reasons=reasons)
    columns, missing, lacking = dict[str, str](), list[str](), list[str]()
    for column in schema.columns:
        header = _header_of(column, headers)
        if header is not None:
            columns[column.name] = header
        elif column.may_be_missing:
            missing.append(column.name)
        else:
            lacking.append(column.header)
    if lacking:
        raise BulkInputError(
            f"The portfolio lacks the column{'s' if len(lacking) > 1 else ''} {_listed(lacking)}; "
            f"it has {_listed(headers)}."
        )
    used = set(columns.values())
    return Matched(columns, missing, [header for header in headers if header not in used])


def _header_of(column: Column, headers: Sequence[str]) -> str | None:
    found = [header for header in headers if header in {column.header, column.name}]
    if len(found) > 1:
        raise BulkInputError(
            f"The portfolio has both {_listed(found)}, which are the same column: leave one of them out."
        )
    return found[0] if found else None


def _require_distinct(headers: Sequence[str]) -> None:
    twice = sorted({header for header in headers if headers.count(header) > 1})
    if twice:
        raise BulkInputError(f"The portfolio has more than one column called {_listed(twice)}.")


def _require_free(headers: Sequence[str], *, reasons: bool) -> None:
    needed = [ROW, PROBABILITY, PREDICTION, BAND, VERSION, *([REASONS] if reasons else [])]
    taken = [header for header in headers if header in needed]
    if taken:
        raise BulkInputError(
            f"The portfolio has a column called {_listed(taken)}, which the results need for themselves: rename it."
        )


_MOST_LISTED = 30


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_LISTED
    shown = ", ".join(repr(name[:100]) for name in names[:_MOST_LISTED])
    return shown + (f" and {more} more" if more > 0 else "")
