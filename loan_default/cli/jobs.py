"""`loan-default jobs`: hand in bulk jobs, list, follow, cancel, retry, erase them, and fetch what came of them."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from loan_default.bulk.progress import Progress
from loan_default.cli.progress import progress_of
from loan_default.cli.run import PROJECT
from loan_default.cli.shared import JsonOption, or_exit
from loan_default.errors import JobConflict, NoSuchJob
from loan_default.settings import read_settings

if TYPE_CHECKING:
    from loan_default.jobs.job import JobView
    from loan_default.jobs.jobs import Jobs

# Stands for the key of those who have no key: whoever may run commands here.
COMMAND_LINE: Final = "command-line"
_LOOK_S: Final = 0.5
_OPEN: Final = {"PENDING", "PROGRESS"}

jobs_app = typer.Typer(help="Bulk jobs: list them, or work on one.", invoke_without_command=True)
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of a job.")]


@jobs_app.callback()
def jobs(
    context: typer.Context,
    most: Annotated[int, typer.Option(min=1, help="List so many, the newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the latest jobs, of all keys, or work on one of them by a command below."""
    if context.invoked_subcommand is None:
        _with_jobs(lambda jobs: _list(jobs, most, as_json))


@jobs_app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="A portfolio: .csv, .csv.gz, .parquet or .jsonl.")],
    reasons: Annotated[bool, typer.Option("--reasons", help="Give each declined row its reasons.")] = False,
    live_drift: Annotated[
        bool, typer.Option("--live-drift", help="Let a sample of the rows enter the drift monitor's live window.")
    ] = False,
) -> None:
    """Hand in a portfolio as a job for the workers, and print its id.

    Exit code 0: it is accepted. 1: it cannot be kept. 2: it cannot be scored.
    """

    def hand_it_in(jobs: "Jobs") -> None:
        from loan_default.drift_link.link import require_drift_sampled
        from loan_default.jobs.hand_in import hand_in
        from loan_default.served import find_served

        settings = read_settings()
        if live_drift:
            require_drift_sampled(settings)
        served = find_served(settings, PROJECT)
        typer.echo(hand_in(jobs, file, served, COMMAND_LINE, reasons=reasons, live_drift=live_drift).job_id)

    _with_jobs(hand_it_in)


@jobs_app.command()
def show(job_id: IdArgument, as_json: JsonOption = False) -> None:
    """Show how a job stands. Exit code 2: there is no such job."""
    _with_jobs(lambda jobs: _show(_found(jobs.view(job_id)), as_json))


@jobs_app.command()
def follow(job_id: IdArgument) -> None:
    """Follow a job until it is over. Exit code 0: it succeeded. 1: it did not. 2: there is no such job."""

    def follow_it(jobs: "Jobs") -> None:
        began = time.monotonic()
        view = _found(jobs.view(job_id))
        with progress_of(view.total_predictions) as told:
            told(_progress(view, began))
            while view.status in _OPEN:
                time.sleep(_LOOK_S)
                view = _found(jobs.view(job_id))
                told(_progress(view, began))
        _show(view, as_json=False)
        if view.status != "SUCCESS":
            raise typer.Exit(1)

    _with_jobs(follow_it)


@jobs_app.command()
def cancel(job_id: IdArgument) -> None:
    """Stop a job within a chunk; what is scored is kept for a retry. Exit code 2: there is no such job."""
    _with_jobs(lambda jobs: _show(_found(jobs.cancel(job_id)), as_json=False))


@jobs_app.command()
def retry(job_id: IdArgument) -> None:
    """Let a failed or cancelled job go on where it stopped. Exit code 2: there is no such job, or it has expired."""
    _with_jobs(lambda jobs: _show(_found(jobs.retry(job_id)), as_json=False))


@jobs_app.command()
def erase(job_id: IdArgument) -> None:
    """Remove a job with all its files for good. Exit code 2: there is no such job, or it is running."""

    def erase_it(jobs: "Jobs") -> None:
        if not jobs.erase(job_id):
            raise NoSuchJob
        typer.echo("Erased the job and its files.")

    _with_jobs(erase_it)


@jobs_app.command()
def download(
    job_id: IdArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to; an old file is replaced.")],
    what: Annotated[
        str, typer.Option(metavar="NAME", help="results.parquet, rejects.csv or summary.json.")
    ] = "results.parquet",
) -> None:
    """Fetch what came of a finished job. Exit code 2: there is no such job or file, or it is not finished."""
    _with_jobs(lambda jobs: _download(jobs, job_id, what, output))


def _with_jobs(command: "Callable[[Jobs], None]") -> None:
    def run() -> None:
        from loan_default.jobs.jobs import Jobs

        with Jobs(read_settings()) as jobs:
            command(jobs)

    or_exit(run)


def _found(view: "JobView | None") -> "JobView":
    if view is None:
        raise NoSuchJob
    return view


def _progress(view: "JobView", began: float) -> Progress:
    """What is seen of a job since `began`, by `time.monotonic`."""
    return Progress(
        stage="scoring" if view.status in _OPEN else "done",
        rows_done=view.completed + view.rejected,
        rows_rejected=view.rejected,
        seconds=time.monotonic() - began,
    )


def _list(jobs: "Jobs", most: int, as_json: bool) -> None:
    views = jobs.views(None, most)
    if as_json:
        typer.echo(json.dumps([view.model_dump(mode="json") for view in views], indent=2))
        return
    for view in views:
        rows = f"{view.completed + view.rejected}/{view.total_predictions}"
        typer.echo(f"{view.job_id}  {view.status:9}  {rows:>21}  {view.created_at:%Y-%m-%d %H:%M}  {view.key_id}")


def _show(view: "JobView", as_json: bool) -> None:
    if as_json:
        typer.echo(view.model_dump_json(indent=2))
        return
    for name, value in view.model_dump(mode="json").items():
        if value is not None:
            typer.echo(f"{name:17}  {value}")


def _download(jobs: "Jobs", job_id: str, what: str, output: Path) -> None:
    if _found(jobs.view(job_id)).status != "SUCCESS":
        raise JobConflict("The job has no results yet; `loan-default jobs show` says how it stands.")
    from loan_default.storage import LocalFolder

    try:
        with LocalFolder(output.parent).writing(output.name) as file:
            for block in jobs.folder(job_id).blocks(Path(what).name):
                file.write(block)
    except FileNotFoundError:
        raise JobConflict(
            f"The job has no file {what}; there are results.parquet, rejects.csv, summary.json."
        ) from None
