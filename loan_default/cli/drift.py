"""`loan-default drift report`: have the applicants of a file changed since the model was trained?"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loan_default.bulk.order import SourceKind
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
from loan_default.errors import NoDriftReport
from loan_default.settings import Stage, read_settings

if TYPE_CHECKING:
    from drift.comparison import Comparison

drift_app = typer.Typer(help="Have the applicants changed?", no_args_is_help=True)
# Of a command that worked, and found drift: for whoever calls it from a script.
DRIFTED = 3


@drift_app.callback()
def drift() -> None:
    """Have the applicants changed since the model was trained?"""


@drift_app.command()
def report(  # noqa: PLR0913, PLR0917  # what the command takes
    portfolio: PortfolioArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page. Default: NAME.drift.html beside the portfolio.")
    ] = None,
    kind: KindOption = None,
    separator: SeparatorOption = None,
    decimal: DecimalOption = None,
    encoding: EncodingOption = None,
    model_stage: Annotated[Stage, typer.Option(help="Which promoted model.")] = "production",
    as_json: JsonOption = False,
) -> None:
    """Compare the applicants of a file with those that the model was trained on, and draw a page of it.

    No server is needed, and nothing is kept but the page, which shows shares and never an applicant.

    Exit code 0: they have not drifted. 2: the file cannot be read. 3: they have.
    """
    asked = _Asked(
        portfolio,
        output or portfolio.with_name(f"{portfolio.name}.drift.html"),
        kind,
        said(separator, decimal, encoding),
        model_stage,
        as_json,
    )
    or_exit(lambda: _report(asked))


@dataclass(frozen=True)
class _Asked:
    """What the command was told."""

    portfolio: Path
    output: Path
    kind: SourceKind | None
    stated: dict[str, str]
    stage: Stage
    as_json: bool


def _report(asked: _Asked) -> None:
    from drift.report import report_page

    found = _compared(asked)
    try:
        asked.output.write_text(report_page(found), encoding="utf-8")
    except OSError as error:
        raise NoDriftReport(f"Cannot write {asked.output.name}: {error.strerror}.") from error
    if asked.as_json:
        typer.echo(found.verdict.model_dump_json(indent=2, exclude={"trend"}))
    else:
        _print(found, asked.output)
    if found.verdict.drift_detected:
        raise typer.Exit(DRIFTED)


def _compared(asked: _Asked) -> "Comparison":
    from drift.portfolio import compare_portfolio, inspected_portfolio
    from loan_default.model import LoanModel
    from loan_default.served import pointed

    settings = read_settings()
    served = pointed(settings, asked.stage)
    model = LoanModel.load(served.model_folder)
    written = written_as(asked.portfolio, asked.kind, asked.stated, model.schema.csv)
    inspected = inspected_portfolio(asked.portfolio, model, written)
    if not asked.as_json:
        for note in inspected.notes:
            typer.echo(note)
    with progress_of(inspected.order.rows, quiet=asked.as_json) as told:
        return compare_portfolio(asked.portfolio, inspected, model, served, settings.drift_psi_threshold, told)


def _print(found: "Comparison", output: Path) -> None:
    verdict = found.verdict
    typer.echo(
        f"{verdict.window.samples:,} rows compared with the training population of version {verdict.model_version}:"
    )
    width = max(map(len, verdict.columns))
    for name, column in sorted(verdict.columns.items(), key=lambda item: -item[1].psi):
        limit = max(verdict.threshold, column.critical)
        word = "DRIFTED" if column.drifted else "as before"
        typer.echo(f"  {name:{width}}  PSI {column.psi:7.3f}   {word}, limit {limit:.3f}")
    if found.rejected:
        typer.echo(f"{found.rejected:,} rows could not be scored and are left out; `loan-default score` says why.")
    typer.echo(f"Written: {output.name}")
