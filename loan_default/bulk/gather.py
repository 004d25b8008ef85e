"""Puts the parts of a job together: the results, the rejects and the summary, in constant memory."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from loan_default.bulk.check import Reject
from loan_default.bulk.columns import ROW
from loan_default.bulk.files import REJECTS, RESULTS
from loan_default.bulk.formulas import as_text
from loan_default.bulk.parquet_join import MAGIC, Joined
from loan_default.bulk.part import Damaged, Part, name, read
from loan_default.bulk.tally import Tally
from loan_default.drift_link.messages import Rows
from loan_default.storage import Folder, Sink

_NEEDS_QUOTES = re.compile(r'[",\r\n]')


class Unusable(Exception):
    """Some parts are damaged or gone; the damaged ones are removed, and all of them must be made again."""


class Gathering:
    """Results and rejects while they are being written.

    Attributes:
        total: the counts of the parts so far.
        drawn: their rows for the drift monitor's live window.
    """

    def __init__(self, folder: Folder, of: str, results: Sink, rejects: Sink) -> None:
        self.total = Tally()
        self.drawn: list[Rows] = []
        self._folder, self._of, self._results, self._rejects = folder, of, results, rejects
        self._joined = Joined()
        self._usable = True

    def add(self, number: int, made: Part | None) -> Tally:
        """Copy the part of the next chunk, from the folder when it was not made just now; returns its counts.

        Once one is not usable, only look for others that are not.
        """
        part = made or _part(self._folder, self._of, number)
        self._usable = self._usable and part is not None
        if part is None or not self._usable:
            return Tally()
        self._results.write(self._joined.add(part.results))
        self._rejects.write(part.rejects)
        self.total += part.counted.tally
        if part.counted.drawn is not None:
            self.drawn.append(part.counted.drawn)
        return part.counted.tally

    def require_usable(self) -> None:
        """Raises Unusable when a part was not."""
        if not self._usable:
            raise Unusable

    def end(self) -> None:
        """Write what stands after all parts."""
        self.require_usable()
        self._results.write(self._joined.end())


@contextmanager
def gathering(folder: Folder, of: str, id_header: str | None, asked: Callable[[], None]) -> Iterator[Gathering]:
    """Write results and rejects from the parts of the job `of`; they are there when the context ends without an error.

    The parts are copied while others are still being made: with that the first has more to do than to wait. `asked` is
    called between two blocks of what takes its time at the end, and ends it by what it raises.

    Raises:
        Unusable: not all parts are as they were written.
    """
    with folder.writing(RESULTS, asked) as results, folder.writing(REJECTS, asked) as rejects:
        results.write(MAGIC)
        rejects.write(rejects_header(id_header))
        found = Gathering(folder, of, results, rejects)
        yield found
        found.end()


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
    return "".join(",".join(map(_field, row)) + "\n" for row in rows).encode()


def _field(cell: object) -> str:
    """A cell as Python's own writer has it, which leaves a carriage return without the quotes that readers need."""
    text = as_text(cell) if isinstance(cell, str) else str(cell)
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
