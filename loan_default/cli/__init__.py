"""The `loan-default` command: the outermost layer. It imports what a command needs when the command is called."""

from typing import Annotated

import typer

from loan_default import __version__
from loan_default.cli.backup import backup, restore
from loan_default.cli.decisions import decision, erase
from loan_default.cli.drift import drift_app
from loan_default.cli.jobs import jobs_app
from loan_default.cli.keys import key_app
from loan_default.cli.models import evaluate, history, promote, reproduce, rollback
from loan_default.cli.run import build, serve, train
from loan_default.cli.schema import schema_app
from loan_default.cli.score import score
from loan_default.cli.worker import worker

app = typer.Typer(
    help="Train, serve and watch a loan-default model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_MODELS = (train, serve, build, promote, rollback, history, evaluate, reproduce)
_RECORDS = (score, worker, decision, erase, backup, restore)
for _command in (*_MODELS, *_RECORDS):
    app.command()(_command)
app.add_typer(schema_app, name="schema")
app.add_typer(key_app, name="key")
app.add_typer(drift_app, name="drift")
app.add_typer(jobs_app, name="jobs")


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Options of the command itself."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
