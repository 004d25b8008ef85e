"""The order of bulk scoring: source → chunks → parts → results. Everything it did is found again after any end."""

import errno
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Container, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass

from pydantic import ValidationError

from loan_default.bulk import part
from loan_default.bulk.clock import CLOCK, Clock
from loan_default.bulk.files import REJECTS, RESULTS, SUMMARY
from loan_default.bulk.gather import Gathering, Unusable, gathering, rejects_lines
from loan_default.bulk.live import Live
from loan_default.bulk.opening import CHANGED, open_source, require_unchanged
from loan_default.bulk.order import BulkOrder
from loan_default.bulk.progress import Progress, Stage
from loan_default.bulk.score import ScoreChunk
from loan_default.bulk.source import Chunk, Source
from loan_default.bulk.summary import Summary
from loan_default.bulk.tally import DriftWatch, Tally, summarized
from loan_default.errors import BulkInputError, JobUnreadable
from loan_default.model import LoanModel
from loan_default.storage import Folder, Place

# Of putting the parts together, each after the damaged ones were made again; more than a few are the disk's end.
_TRIES = 4

__all__ = ["REJECTS", "RESULTS", "SUMMARY", "Stopped", "Work", "run"]

# What is waited for where there is nothing to wait for.
_NOTHING: Future[part.Part | None] = Future()
_NOTHING.set_result(None)


@dataclass(frozen=True)
class Work:
    """One portfolio being scored.

    Attributes:
        order: what is to be done.
        source: the portfolio.
        folder: where parts and results are kept, and found again.
        model: what scores it, the same for the whole job.
        model_version: its version in the registry, which stands in each scored row.
        threads: how many chunks are worked on at once.
        watch: what compares the rows with the training population; None leaves the summary's drift out.
        live: what hands some of them to the drift monitor, too; None hands over nothing.
    """

    order: BulkOrder
    source: Place
    folder: Folder
    model: LoanModel
    model_version: str
    threads: int
    watch: DriftWatch | None = None
    live: Live | None = None


def cores() -> int:
    """How many chunks to work on at once, unless somebody says otherwise: the cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Stopped(Exception):
    """It was asked to stop; what is done is kept, and the next run goes on there."""


def run(work: Work, told: Callable[[Progress], None], stop: Callable[[], bool]) -> Summary:
    """Score what is left to score and put the results together; done already, it only says so.

    Args:
        work: what to do.
        told: is told the progress after each chunk, from this thread.
        stop: asked between chunks, and between the blocks of the results when they are kept; True ends it with Stopped.

    Raises:
        Stopped: as asked.
        BulkInputError: the source cannot be read, or is not what was inspected.
        OSError: the folder cannot be written (a full disk); a later run goes on from there.
    """
    return _Run(work, told, stop).run()


class _Run:
    """One start of a job."""

    def __init__(self, work: Work, told: Callable[[Progress], None], stop: Callable[[], bool]) -> None:
        self._work, self._told, self._stop = work, told, stop
        self._of = _digest(work)
        self._clock = Clock(work.folder)
        self._rows = self._rejected = self._chunks = 0

    def run(self) -> Summary:
        for _ in range(_TRIES + 1):
            summary = self._finished()
            if summary is not None:
                break
            with suppress(Unusable):  # then their chunks are scored again
                self._summarize(self._score())
        else:
            raise OSError(errno.EIO, "what was written cannot be read back")
        self._remove_parts()
        self._tell("done")
        return summary

    def _finished(self) -> Summary | None:
        try:
            summary = Summary.model_validate_json(self._work.folder.read(SUMMARY))
        except FileNotFoundError:
            return None
        except ValidationError:
            raise JobUnreadable from None  # another version finished it
        self._rows, self._rejected = summary.rows, summary.rejected
        return summary

    def _score(self) -> Gathering:
        """Make the parts that are not there yet, and results and rejects of all of them; returns what they had."""
        work = self._work
        require_unchanged(work.source, work.order)
        source, _ = open_source(work.source, work.order.written, work.model.schema, reasons=work.order.reasons)
        done = self._whole_parts()
        self._rows = self._rejected = self._chunks = 0
        self._tell("scoring")
        self._stop_if_asked()
        with (
            gathering(work.folder, self._of, _id_header(work, source), self._stop_if_asked) as found,
            closing(self._parts(source, done)) as parts,  # its threads end here, whatever goes wrong
        ):
            for made in parts:
                self._count(found.add(self._chunks, made))
                self._stop_if_asked()
            found.require_usable()
            if self._rows != work.order.rows:
                raise BulkInputError(CHANGED)
            self._tell("writing")
        return found

    def _parts(self, source: Source, done: Container[int]) -> Generator[part.Part | None, None, None]:
        """The parts of all chunks in order, each when it is kept; None for what an earlier start has kept."""
        make = self._maker(source)
        waiting: deque[Future[part.Part | None]] = deque()
        with ThreadPoolExecutor(self._work.threads, "chunk") as pool:
            try:
                for chunk in source.chunks(self._work.order.chunk_rows, done):
                    waiting.append(_NOTHING if chunk.number in done else pool.submit(make, chunk))
                    # Those that are worked on, and one that is ready for whoever is free first.
                    while len(waiting) > self._work.threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _maker(self, source: Source) -> Callable[[Chunk], part.Part]:
        work = self._work
        score = ScoreChunk(
            work.model,
            work.model_version,
            source.carried,
            reasons=work.order.reasons,
            watch=work.watch,
            drawn=None if work.live is None else work.live.drawn,
        )
        id_header = _id_header(work, source)

        def make(chunk: Chunk) -> part.Part:
            checked = source.check(chunk)
            results, tally, drawn = score(checked)
            counted = part.Counted(of=self._of, number=chunk.number, tally=tally, drawn=drawn)
            made = part.Part(results, memoryview(rejects_lines(checked.rejects, id_header)), counted)
            with work.folder.writing(part.name(chunk.number)) as file:
                for content in part.pack(made):
                    file.write(content)
            return made

        return make

    def _whole_parts(self) -> set[int]:
        """The chunks whose parts an earlier start has left; damaged ones are removed."""
        found: set[int] = set()
        for name in self._work.folder.names():
            number = part.number(name)
            if number is None:
                continue
            self._stop_if_asked()
            try:
                part.read_counted(self._work.folder.place(name), self._of, number)
            except part.Damaged:
                self._work.folder.remove(name)
            else:
                found.add(number)
        return found

    def _summarize(self, found: Gathering) -> None:
        """Write the summary, last of all files: it is what says that the job is finished."""
        work, total = self._work, found.total
        drift = None if work.watch is None else work.watch.drift(total.watched)
        run_id = work.model.about.run_id
        summary = summarized(total, drift, work.model_version, run_id, self._clock.seconds())
        if work.live is not None:
            summary = summary.model_copy(update={"live_samples": work.live.hand_over(found.drawn)})
        work.folder.write(SUMMARY, summary.as_kept())

    def _remove_parts(self) -> None:
        folder = self._work.folder
        for name in folder.names():
            if part.number(name) is not None:
                folder.remove(name)
        folder.remove(CLOCK)

    def _count(self, tally: Tally) -> None:
        self._rows += tally.rows
        self._rejected += tally.rejected
        self._chunks += 1
        self._clock.keep()
        self._tell("scoring")

    def _stop_if_asked(self) -> None:
        if self._stop():
            raise Stopped

    def _tell(self, stage: Stage) -> None:
        self._told(
            Progress(
                stage=stage,
                rows_done=self._rows,
                rows_rejected=self._rejected,
                seconds=self._clock.seconds(),
            )
        )


def _id_header(work: Work, source: Source) -> str | None:
    header = work.model.schema.id
    return header if header in source.carried.names else None


def _digest(work: Work) -> str:
    """What decides the content of a part, so that those of another job are not taken for its own."""
    decides = [work.order.model_dump_json(), work.model.about.run_id, work.model_version]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()
