"""Puts the parts of a job together: the results, the rejects and the summary, in constant memory."""

import csv
import io
from collections.abc import Iterable, Sequence

from loan_default.bulk.check import Reject
from loan_default.bulk.columns import ROW
from loan_default.bulk.files import REJECTS, RESULTS
from loan_default.bulk.parquet_join import MAGIC, Joined
from loan_default.bulk.part import Damaged, read
from loan_default.bulk.tally import Tally
from loan_default.storage import Folder


class Unusable(Exception):
    """Parts that must be made again, by the numbers of their chunks."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def gather(folder: Folder, of: str, count: int, id_header: str | None) -> Tally:
    """Write results and rejects from `count` parts of the job `of`; returns the sum of their counts.

    Raises:
        Unusable: a part is damaged or gone.
    """
    joined, total = Joined(), Tally()
    with folder.writing(RESULTS) as out, folder.writing(REJECTS) as refused:
        out.write(MAGIC)
        refused.write(rejects_header(id_header))
        for number in range(count):
            try:
                part = read(folder, of, number)
            except (Damaged, FileNotFoundError) as error:
                raise Unusable(number) from error
            out.write(joined.add(part.results))
            refused.write(part.rejects)
            total += part.counted.tally
        out.write(joined.end())
    return total


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
