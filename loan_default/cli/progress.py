"""How far a bulk job is, on a terminal as a bar, elsewhere as a line now and then; always on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from loan_default.bulk.progress import Progress

_LINE_EVERY_S = 5.0
Told = Callable[[Progress], None]


@contextmanager
def progress_of(rows: int, *, quiet: bool = False) -> Iterator[Told]:
    """Shows the progress of scoring so many rows; yields what is told about it."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(rows) as told:
            yield told
    else:
        yield _lines(rows)


@contextmanager
def _bar(rows: int) -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("scoring", total=rows, rate="")
        rate = _Rate()

        def told(progress: Progress) -> None:
            shown = rate.said(progress)
            bar.update(task, description=progress.stage, completed=progress.rows_done, rate=shown)

        yield told


def _lines(rows: int) -> Told:
    rate, last = _Rate(), [float("-inf")]

    def told(progress: Progress) -> None:
        due = time.monotonic() - last[0] >= _LINE_EVERY_S
        if due or progress.stage == "done":
            last[0] = time.monotonic()
            said = f"{progress.rows_done:,} of {rows:,} rows, {progress.rows_rejected:,} rejected"
            typer.echo(f"{progress.stage}: {said} {rate.said(progress)}".rstrip(), err=True)

    return told


class _Rate:
    """Rows a second since this start: what an earlier one did says nothing of how fast this one is."""

    def __init__(self) -> None:
        self._first: Progress | None = None

    def said(self, progress: Progress) -> str:
        """In words, when there is something to say."""
        if self._first is None:
            self._first = progress
        rows, seconds = progress.rows_done - self._first.rows_done, progress.seconds - self._first.seconds
        return f"{rows / seconds:,.0f} rows/s" if rows and seconds > 0 else ""
