"""The `loan-default` command: the outermost layer. It imports what a command needs when the command is called."""

import json
import os
import shlex
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from loan_default import __version__
from loan_default.errors import (
    CallersWouldBreak,
    LoanDefaultError,
    ModelUnavailable,
    PromotionRefused,
    SchemaError,
    SettingsError,
)
from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema
from loan_default.settings import Settings, Stage, read_settings

DEFAULT_DATA = DEFAULT_SCHEMA.with_name("Default_Fin.csv")
PROJECT = Path(__file__).resolve().parent.parent
SERVICE = "service:LoanDefault"

_SchemaOption = Annotated[
    Path | None,
    typer.Option(help="The declaration of its columns. Default: NAME.schema.yaml beside NAME.csv, or the default one."),
]

app = typer.Typer(
    help="Train, serve and watch a loan-default model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


schema_app = typer.Typer(help="Declare a lender's own columns.", no_args_is_help=True)
app.add_typer(schema_app, name="schema")


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Options of the command itself."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def train(  # noqa: PLR0913, PLR0917  # its arguments are the command's options
    data: Annotated[Path, typer.Option(help="The CSV to train on.")] = DEFAULT_DATA,
    schema: _SchemaOption = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model, to the last bit.")] = 42,
    folds: Annotated[int, typer.Option(min=2, max=20, help="Folds of the cross-validation.")] = 5,
    smote_ratio: Annotated[
        float, typer.Option(min=0, max=1, help="Defaults per other row after SMOTE; 0 switches SMOTE off.")
    ] = 0.25,
    recall_floor: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Share of defaults the threshold must catch, out of fold.")
    ] = 0.77,
) -> None:
    """Train a model, register it in MLflow, and promote it when the gates pass.

    Exit code 0: promoted. 2: the data, the schema or a setting is wrong. 3: registered, but refused by the gates, or
    because the callers of a running service would break.
    """
    options = {"seed": seed, "folds": folds, "smote_ratio": smote_ratio, "recall_floor": recall_floor}
    _or_exit(lambda: _train(read_settings(), data, schema or schema_beside(data), options))


@app.command()
def serve() -> None:
    """Serve the promoted model with BentoML; train one first when there is none.

    Honours HOST, PORT and every other setting of .env.example. Ends like `bentoml serve` does, which it becomes.
    """
    _or_exit(lambda: _serve(read_settings()))


@app.command()
def build() -> None:
    """Build a Bento around the promoted model: `bentoml build`, in the BentoML store that this project uses."""
    _or_exit(lambda: _become_bentoml(read_settings(), "build"))


@schema_app.command()
def infer(
    data: Annotated[Path, typer.Argument(help="The CSV file.")],
    target: Annotated[str | None, typer.Option(help="The header of the column to predict. Default: a guess.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write. Default: NAME.schema.yaml beside it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a declaration that is there already.")] = False,
) -> None:
    """Write a first declaration for a CSV file, to be read and edited."""
    _or_exit(lambda: _infer(data, target, output or _beside(data), force))


@schema_app.command()
def check(
    data: Annotated[Path, typer.Argument(help="The CSV file.")],
    schema: _SchemaOption = None,
) -> None:
    """Hold a CSV file against a declaration: every value, then leakage and sense, as training does.

    Exit code 0: it can be trained on. 2: it cannot, and every reason is said.
    """
    _or_exit(lambda: _check(data, schema or schema_beside(data)))


@schema_app.command()
def diff(
    old: Annotated[str, typer.Argument(help="A declaration, or production or staging for the promoted model's.")],
    new: Annotated[Path, typer.Argument(help="The declaration it would be replaced by.")],
) -> None:
    """Say what a change of the declaration breaks for callers.

    Exit code 0: nothing breaks. 3: something does.
    """
    _or_exit(lambda: _diff(old, new))


@schema_app.command()
def example(schema: Annotated[Path, typer.Argument(help="The declaration.")] = DEFAULT_SCHEMA) -> None:
    """Print the declaration's example applicant as JSON: a request body to try with."""
    _or_exit(lambda: typer.echo(json.dumps(load_schema(schema).example, ensure_ascii=False)))


def schema_beside(data: Path) -> Path:
    """The declaration that belongs to a data file: the one beside it, otherwise the default one."""
    return _beside(data) if _beside(data).is_file() else DEFAULT_SCHEMA


def _beside(data: Path) -> Path:
    return data.with_name(f"{data.stem}.schema.yaml")


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


def _train(settings: Settings, data: Path, schema: Path, options: Mapping[str, float]) -> None:
    from rich.console import Console

    from loan_default.training.fit import FitOptions
    from loan_default.training.report import Terminal, print_outcome
    from loan_default.training.run import train as run_training

    fit_options = FitOptions.model_validate(options)
    console = Console()
    with Terminal(console) as terminal:
        outcome = run_training(settings, data, schema, fit_options, terminal)
    print_outcome(console, outcome)
    if outcome.held_back:
        raise PromotionRefused(" ".join(outcome.held_back))
    if not outcome.promoted:
        failed = "; ".join(str(gate) for gate in outcome.gates if not gate.passed)
        raise PromotionRefused(f"Version {outcome.registered.version} was registered but not promoted: {failed}")


def _serve(settings: Settings) -> NoReturn:
    from loan_default.served import find_served

    _require_free_port(settings)  # before the minute that training may take
    try:
        find_served(settings, PROJECT)
    except ModelUnavailable:
        _train(settings, DEFAULT_DATA, DEFAULT_SCHEMA, {})
    _become_bentoml(settings, "serve", SERVICE, "--host", settings.host, "--port", str(settings.port))


def _require_free_port(settings: Settings) -> None:
    try:
        with socket.create_server((settings.host, settings.port)):
            pass
    except OSError as error:
        raise SettingsError(
            f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}): set HOST or PORT to another."
        ) from error


def _become_bentoml(settings: Settings, *arguments: str) -> NoReturn:
    """Replace this process by `bentoml ARGUMENTS`, run in the project's folder with our store as its home."""
    os.environ["BENTOML_HOME"] = str(settings.bentoml_store)
    os.environ["STATE_DIR"] = str(settings.state)
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    os.chdir(PROJECT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *arguments])  # noqa: S606  # a fixed program


def _or_exit(command: Callable[[], None]) -> None:
    """Run a command; an error we raise on purpose becomes one sentence and its exit code."""
    try:
        command()
    except LoanDefaultError as error:
        typer.echo(f"error: {error.message}", err=True)
        raise typer.Exit(error.exit_code) from None


if __name__ == "__main__":
    app()
