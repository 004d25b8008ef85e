"""The first look at a portfolio, when it is handed in: how it is written, which columns it has, how many rows."""

from collections.abc import Sequence

from loan_default.bulk.order import BulkOrder, Written
from loan_default.decision import Stored
from loan_default.schema import Schema
from loan_default.storage import Place


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


def inspect(source: Place, schema: Schema, written: Written, *, most_rows: int, reasons: bool = False) -> Inspected:
    """Look at a whole source without scoring it; takes about as long as reading it once.

    Args:
        source: the portfolio.
        schema: what the model takes.
        written: what is known of it: the kind, and for a CSV its format, or None to have it found.
        most_rows: beyond, it is refused.
        reasons: whether each declined row is to get its reasons.

    Raises:
        BulkInputError: it is not what `written` says, lacks a column, has one twice, has a name that the results need,
            has no rows, or too many.
    """
    raise NotImplementedError
