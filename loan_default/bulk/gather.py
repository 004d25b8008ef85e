"""Puts the parts of a job together: the results, the rejects and the summary, in constant memory."""

import csv
import io
from collections.abc import Iterable, Sequence

from loan_default.bulk.check import Reject
from loan_default.bulk.columns import ROW
from loan_default.bulk.files import REJECTS, RESULTS
from loan_default.bulk.parquet_join import MAGIC, Joined
from loan_default.bulk.part import Damaged, Part, name, read
from loan_default.bulk.tally import Tally
from loan_default.storage import Folder


class Unusable(Exception):
    """Some parts are damaged or gone; the damaged ones are removed, and all of them must be made again."""


def gather(folder: Folder, of: str, count: int, id_header: str | None) -> Tally:
    """Write results and rejects from `count` parts of the job `of`; returns the sum of their counts.

    Raises:
        Unusable: not all parts are as they were written.
    """
    joined, total, usable = Joined(), Tally(), True
    with folder.writing(RESULTS) as out, folder.writing(REJECTS) as refused:
        out.write(MAGIC)
        refused.write(rejects_header(id_header))
        for number in range(count):
            part = _part(folder, of, number)
            usable = usable and part is not None
            if part is None or not usable:
                continue  # only to find the others that are damaged
            out.write(joined.add(part.results))
            refused.write(part.rejects)
            total += part.counted.tally
        if not usable:
            raise Unusable
        out.write(joined.end())
    return total


def _part(folder: Folder, of: str, number: int) -> Part | None:
    try:
        return read(folder, of, number)
    except FileNotFoundError:
        return None
    except Damaged:
        folder.remove(name(number))
        return None


def rejects_header(id_header: str | None) -> bytes:
    """The first line of the rejects; the column of ids is called as in the source, when that has one."""
    return _csv([[ROW, *([] if id_header is None else [id_header]), "column", "value", "reason"]])


def rejects_lines(rejects: Iterable[Reject], id_header: str | None) -> bytes:
    """The rejects of a chunk as CSV."""
    return _csv(
        [reject.row, *([] if id_header is None else [reject.id]), reject.column, reject.value, reject.reason]
        for reject in rejects
    )


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
