"""Scores a file on this machine into another file beside a work folder, which a later start goes on from."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pyarrow.fs import LocalFileSystem
from pydantic import ValidationError

from loan_default.bulk.export import iter_results
from loan_default.bulk.files import REJECTS, SUMMARY
from loan_default.bulk.inspect import Inspected, inspect
from loan_default.bulk.order import Formulas, ResultFormat, Written
from loan_default.bulk.progress import Progress
from loan_default.bulk.run import Work, cores, run
from loan_default.bulk.summary import Summary
from loan_default.bulk.tally import DriftWatch
from loan_default.decision import Stored
from loan_default.errors import BulkInputError
from loan_default.model import LoanModel
from loan_default.storage import LocalFolder, Place

_JOB = "job.json"
_FORMATS: dict[str, ResultFormat] = {".parquet": "parquet", ".csv": "csv", ".json": "json"}


class _Job(Stored):
    """What a work folder was made for."""

    source: str
    asked: Written
    reasons: bool
    run_id: str
    model_version: str
    inspected: Inspected


@dataclass(frozen=True)
class LocalJob:
    """A file to score.

    Attributes:
        source: the portfolio.
        output: where the scored rows go; its ending says how they are written: `.parquet`, `.csv` or `.json`.
        written: how the source is written, as far as it was said.
        reasons: whether each declined row gets its reasons.
        model, model_version: what scores it.
        watch: compares the rows with the training population.
        formulas: of an output that is a CSV: what becomes of cells that a spreadsheet would run.
    """

    source: Path
    output: Path
    written: Written
    reasons: bool
    model: LoanModel
    model_version: str
    watch: DriftWatch | None = None
    formulas: Formulas = "text"

    @property
    def work_folder(self) -> Path:
        """Where what is done is kept until the end."""
        return self.output.with_name(f".{self.output.name}.work")

    @property
    def rejects(self) -> Path:
        """Where the rows that could not be scored are told."""
        return self.output.with_suffix(".rejects.csv")

    @property
    def summary(self) -> Path:
        """Where the figures go."""
        return self.output.with_suffix(".summary.json")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the work folder, so that no other run is at it; the kernel lets go of it when the process dies.

        Raises:
            BulkInputError: another run is at it, or the output is not one to write.
        """
        if self.output.suffix not in _FORMATS:
            raise BulkInputError(f"The output must end in {', '.join(_FORMATS)}: {self.output.name} does not.")
        if self.output.resolve() == self.source.resolve():
            raise BulkInputError("The output must be another file than the portfolio.")
        self.work_folder.mkdir(parents=True, exist_ok=True)
        held = os.open(self.work_folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BulkInputError(f"Another run is writing {self.output.name}: wait for it.") from None
        finally:
            os.close(held)
            with suppress(OSError):  # it stays as long as there is something in it
                self.work_folder.rmdir()

    def prepare(self) -> Inspected:
        """Look at the source, or find what an earlier start found.

        Raises:
            BulkInputError: the source cannot be scored, or the work folder was made for something else.
        """
        folder = LocalFolder(self.work_folder)
        try:
            job = _Job.model_validate_json(folder.read(_JOB))
        except FileNotFoundError:
            return self._first_look(folder)
        except ValidationError:
            raise self._in_the_way("was not made by this version of loan-default") from None
        different = [what for what, mine, theirs in self._compared(job) if mine != theirs]
        if different:
            raise self._in_the_way(f"was made for {' and '.join(different)}")
        return job.inspected

    def score(self, inspected: Inspected, told: Callable[[Progress], None], stop: Callable[[], bool]) -> Summary:
        """Score what is left, write the files beside the output and then the output, remove the work folder.

        Raises:
            Stopped, BulkInputError, OSError: as `run`.
        """
        folder = LocalFolder(self.work_folder)
        order = inspected.order
        work = Work(order, self._place(), folder, self.model, self.model_version, cores(), self.watch)
        summary = run(work, told, stop)
        beside = LocalFolder(self.output.parent)
        beside.write(self.rejects.name, folder.read(REJECTS))
        beside.write(self.summary.name, folder.read(SUMMARY))
        with beside.writing(self.output.name) as file:
            for block in iter_results(folder, _FORMATS[self.output.suffix], self.formulas):
                file.write(block)
        shutil.rmtree(self.work_folder)
        return summary

    def _first_look(self, folder: LocalFolder) -> Inspected:
        for name in folder.names():  # what a removal left that was interrupted
            folder.remove(name)
        inspected = inspect(self._place(), self.model.schema, self.written, reasons=self.reasons)
        job = _Job(
            source=str(self.source.resolve()),
            asked=self.written,
            reasons=self.reasons,
            run_id=self.model.about.run_id,
            model_version=self.model_version,
            inspected=inspected,
        )
        folder.write(_JOB, job.model_dump_json(indent=2).encode())
        return inspected

    def _compared(self, job: _Job) -> list[tuple[str, object, object]]:
        return [
            ("another portfolio", str(self.source.resolve()), job.source),
            ("another format of it", self.written, job.asked),
            ("results with reasons" if job.reasons else "results without reasons", self.reasons, job.reasons),
            (f"model version {job.model_version}", self._model_id, (job.run_id, job.model_version)),
        ]

    @property
    def _model_id(self) -> tuple[str, str]:
        return self.model.about.run_id, self.model_version

    def _in_the_way(self, why: str) -> BulkInputError:
        return BulkInputError(
            f"An unfinished run is in {self.work_folder.name}, beside the output, but it {why}: ask for the same "
            "again to finish it, or remove that folder to start anew."
        )

    def _place(self) -> Place:
        return Place(LocalFileSystem(), str(self.source.resolve()))
