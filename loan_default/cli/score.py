"""`loan-default score`: a whole portfolio on this machine, with the engine that serves callers' jobs."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loan_default.bulk.order import Formulas, SourceKind
from loan_default.bulk.summary import Summary
from loan_default.cli.portfolio import (
    DecimalOption,
    EncodingOption,
    KindOption,
    PortfolioArgument,
    SeparatorOption,
    said,
    written_as,
)
from loan_default.cli.progress import progress_of
from loan_default.cli.shared import JsonOption, or_exit
from loan_default.errors import JobInterrupted
from loan_default.settings import Stage, read_settings

if TYPE_CHECKING:
    from loan_default.bulk.local import LocalJob

_INTERRUPTED = 130  # as shells say of what Ctrl-C ended


def score(  # noqa: PLR0913, PLR0917  # what the command takes
    portfolio: PortfolioArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Ends in .parquet, .csv or .json.")],
    reasons: Annotated[bool, typer.Option("--reasons", help="Say why each declined row was declined.")] = False,
    kind: KindOption = None,
    separator: SeparatorOption = None,
    decimal: DecimalOption = None,
    encoding: EncodingOption = None,
    formulas: Annotated[
        Formulas, typer.Option(help="Cells of a CSV output that a spreadsheet would run: marked as text, or kept.")
    ] = "text",
    model_stage: Annotated[Stage, typer.Option(help="Which promoted model.")] = "production",
    as_json: JsonOption = False,
) -> None:
    """Score a whole portfolio. Run the same command again to go on after Ctrl-C, a crash or a full disk.

    Beside the output it writes NAME.rejects.csv, a line for each problem of a row that could not be scored, and
    NAME.summary.json.

    Exit code 0: done. 2: the portfolio cannot be scored. 130: interrupted; what is done is kept.
    """
    asked = _Asked(portfolio, output, reasons, kind, said(separator, decimal, encoding), formulas, as_json)
    or_exit(lambda: _score(asked, model_stage))


@dataclass(frozen=True)
class _Asked:
    """What the command was told."""

    portfolio: Path
    output: Path
    reasons: bool
    kind: SourceKind | None
    stated: dict[str, str]
    formulas: Formulas
    as_json: bool


def _score(asked: _Asked, stage: Stage) -> None:
    from loan_default.bulk.local import LocalJob
    from loan_default.bulk.run import Stopped
    from loan_default.model import LoanModel
    from loan_default.served import pointed

    settings = read_settings()
    served = pointed(settings, stage)
    model = LoanModel.load(served.model_folder)
    written = written_as(asked.portfolio, asked.kind, asked.stated, model.schema.csv)
    watch = model.population_watch(settings.drift_psi_threshold)
    job = LocalJob(asked.portfolio, asked.output, written, asked.reasons, model, served.version, watch, asked.formulas)
    try:
        summary = _scored(job, quiet=asked.as_json)
    except Stopped:
        typer.echo("Interrupted; run the same command again to go on.", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    except OSError as error:
        raise JobInterrupted(
            f"The results cannot be written ({error.strerror or error}); what is done is kept: make room, then run the "
            "same command again."
        ) from error
    if asked.as_json:
        typer.echo(summary.model_dump_json(indent=2))
    else:
        _print_summary(job, summary)


def _scored(job: "LocalJob", *, quiet: bool) -> Summary:
    from loan_default.bulk.run import Stopped

    with job.alone(), _stopping() as stop:
        inspected = job.prepare()
        if not quiet:
            for note in inspected.notes:
                typer.echo(note)
        if stop():
            raise Stopped
        with progress_of(inspected.order.rows, quiet=quiet) as told:
            return job.score(inspected, told, stop)


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM end the work after the chunks that are being scored."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        if asked:  # who asks twice does not want to wait for the chunks
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_summary(job: "LocalJob", summary: Summary) -> None:
    typer.echo(f"{summary.scored:,} of {summary.rows:,} rows scored with model version {summary.model_version}:")
    for band, count in summary.bands.items():
        typer.echo(f"  {band:8}{count:>14,}   {count / max(1, summary.scored):6.1%}")
    if summary.mean_pd is not None:
        typer.echo(f"  mean PD {summary.mean_pd:>14.4f}")
    if summary.rejected:
        typer.echo(f"{summary.rejected:,} rows could not be scored; {job.rejects.name} says why:")
        for reason, count in sorted(summary.rejects_by_reason.items(), key=lambda item: -item[1]):
            typer.echo(f"  {count:>14,}   {reason}")
    for column, count in summary.unknown_categories.items():
        typer.echo(f"{count:,} values of {column} are not known to the model and count as missing.")
    for name, drift in (summary.drift or {}).items():
        if drift.drifted:
            psi = f"PSI {drift.psi:.3f}, by chance at most {drift.critical:.3f}"
            typer.echo(f"{name} has drifted from the training population: {psi}.")
    typer.echo(f"Written: {job.output.name}, {job.rejects.name}, {job.summary.name}")
