"""What all commands share: where the data and the declaration are by default, and how an error becomes an exit code."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from loan_default.errors import LoanDefaultError
from loan_default.schema import DEFAULT_SCHEMA

DEFAULT_DATA = DEFAULT_SCHEMA.with_name("Default_Fin.csv")

_MLFLOW_FAILED = 2
_MOST_SAID = 500

JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
SchemaOption = Annotated[
    Path | None,
    typer.Option(help="The declaration of its columns. Default: NAME.schema.yaml beside NAME.csv, or the default one."),
]


def schema_for(data: Path) -> Path:
    """The declaration that belongs to a data file: the one beside it, otherwise the default one."""
    return beside(data) if beside(data).is_file() else DEFAULT_SCHEMA


def beside(data: Path) -> Path:
    """`NAME.schema.yaml` beside `NAME.csv`."""
    return data.with_name(f"{data.stem}.schema.yaml")


def or_exit(command: Callable[[], None]) -> None:
    """Run a command; an error we raise on purpose becomes one sentence and its exit code."""
    try:
        command()
    except LoanDefaultError as error:
        typer.echo(f"error: {error.message}", err=True)
        raise typer.Exit(error.exit_code) from None
    except Exception as error:
        if not _is_mlflows(error):
            raise
        said = re.sub(r"//[^/@\s]*@", "//", " ".join(str(error).split()))  # an address may hold a password
        typer.echo(f"error: MLflow: {said[:_MOST_SAID]} Check MLFLOW_TRACKING_URI and its login.", err=True)
        raise typer.Exit(_MLFLOW_FAILED) from None


def _is_mlflows(error: Exception) -> bool:
    """Whether MLflow raised it: looked up among what is loaded, because importing MLflow takes seconds."""
    exceptions = sys.modules.get("mlflow.exceptions")
    return exceptions is not None and isinstance(error, exceptions.MlflowException)
