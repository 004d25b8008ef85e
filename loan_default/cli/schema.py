"""`loan-default schema …`: declare a lender's own columns."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from loan_default.cli.shared import SchemaOption, beside, or_exit, schema_for
from loan_default.errors import CallersWouldBreak, SchemaError
from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema
from loan_default.settings import Stage, read_settings

schema_app = typer.Typer(help="Declare a lender's own columns.", no_args_is_help=True)


@schema_app.command()
def infer(
    data: Annotated[Path, typer.Argument(help="The CSV file.")],
    target: Annotated[str | None, typer.Option(help="The header of the column to predict. Default: a guess.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write. Default: NAME.schema.yaml beside it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a declaration that is there already.")] = False,
) -> None:
    """Write a first declaration for a CSV file, to be read and edited."""
    or_exit(lambda: _infer(data, target, output or beside(data), force))


@schema_app.command()
def check(
    data: Annotated[Path, typer.Argument(help="The CSV file.")],
    schema: SchemaOption = None,
) -> None:
    """Hold a CSV file against a declaration: every value, then leakage and sense, as training does.

    Exit code 0: it can be trained on. 2: it cannot, and every reason is said.
    """
    or_exit(lambda: _check(data, schema or schema_for(data)))


@schema_app.command()
def diff(
    old: Annotated[str, typer.Argument(help="A declaration, or production or staging for the promoted model's.")],
    new: Annotated[Path, typer.Argument(help="The declaration it would be replaced by.")],
) -> None:
    """Say what a change of the declaration breaks for callers.

    Exit code 0: nothing breaks. 3: something does.
    """
    or_exit(lambda: _diff(old, new))


@schema_app.command()
def example(schema: Annotated[Path, typer.Argument(help="The declaration.")] = DEFAULT_SCHEMA) -> None:
    """Print the declaration's example applicant as JSON: a request body to try with."""
    or_exit(lambda: typer.echo(json.dumps(load_schema(schema).example, ensure_ascii=False)))


def _infer(data: Path, target: str | None, output: Path, force: bool) -> None:
    from loan_default.training.infer import infer as first_declaration

    text = first_declaration(data, target)
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise SchemaError(f"{output} is there already: name another with --output, or say --force.") from None
    except OSError as error:
        raise SchemaError(f"Cannot write {output}: {error.strerror}.") from error
    typer.echo(
        f"Wrote {output}. Read and edit every line of it, then: loan-default schema check {shlex.quote(str(data))}"
    )


def _check(data: Path, schema: Path) -> None:
    from loan_default.training.checks import require_sensible
    from loan_default.training.data import read_dataset

    declared = load_schema(schema)
    dataset = read_dataset(data, declared)
    for warning in require_sensible(dataset, declared):
        typer.echo(f"Warning: {warning}.")
    typer.echo(
        f"{data} is as {schema} declares it: {len(dataset):,} applicants, {int(dataset.target.sum()):,} defaults, "
        f"{len(declared.columns)} columns, {len(declared.derived)} derived from them."
    )


def _diff(old: str, new: Path) -> None:
    from loan_default.schema.changes import changes

    found = changes(_declared(old), load_schema(new))
    for change in found:
        typer.echo(f"{'breaks' if change.breaks else 'ok':8}{change}")
    broken = sum(change.breaks for change in found)
    if broken:
        raise CallersWouldBreak(f"{broken} of {len(found)} changes would break callers.")
    typer.echo("Nothing breaks for callers." if found else "Nothing changes for callers.")


def _declared(name: str) -> Schema:
    from loan_default.served import pointed

    if name in {"production", "staging"} and not Path(name).exists():
        stage: Stage = "production" if name == "production" else "staging"
        return load_schema(pointed(read_settings(), stage).model_folder / "schema.json")
    return load_schema(Path(name))
