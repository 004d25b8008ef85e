"""`loan-default train`, `serve` and `build`."""

import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from loan_default.cli.shared import DEFAULT_DATA, JsonOption, SchemaOption, or_exit, schema_for
from loan_default.decision import PolicyName
from loan_default.errors import ModelUnavailable, PromotionRefused, SettingsError
from loan_default.schema import DEFAULT_SCHEMA
from loan_default.settings import Settings, read_settings

PROJECT = Path(__file__).resolve().parents[2]
SERVICE = "service:LoanDefault"


def train(  # noqa: PLR0913, PLR0917  # its arguments are the command's options
    data: Annotated[Path, typer.Option(help="The CSV to train on.")] = DEFAULT_DATA,
    schema: SchemaOption = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model, to the last bit.")] = 42,
    folds: Annotated[int, typer.Option(min=2, max=20, help="Folds of the cross-validation.")] = 5,
    smote_ratio: Annotated[
        float, typer.Option(min=0, max=1, help="Defaults per other row after SMOTE; 0 switches SMOTE off.")
    ] = 0.25,
    recall_floor: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Share of defaults the threshold must catch, out of fold.")
    ] = 0.77,
    policy: Annotated[PolicyName, typer.Option(help="How the threshold is chosen, out of fold.")] = "recall-floor",
    cost_ratio: Annotated[
        float, typer.Option(min=0.01, help="For the policy cost: a missed default costs so many declined payers.")
    ] = 20,
    trials: Annotated[
        int, typer.Option(min=0, max=10_000, help="Search for better options, so many trials; 0 takes the defaults.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a model, register it in MLflow, and promote it when the gates pass.

    Exit code 0: promoted to production. 2: the data, the schema or a setting is wrong. 3: registered, but a gate, the
    champion or the callers of a running service stand in the way.
    """
    options: dict[str, object] = {
        "seed": seed,
        "folds": folds,
        "smote_ratio": smote_ratio,
        "recall_floor": recall_floor,
    }
    options |= {"policy": policy, "cost_ratio": cost_ratio}
    or_exit(lambda: _train(read_settings(), data, schema or schema_for(data), options, trials, as_json))


def serve(
    reload: Annotated[
        bool, typer.Option(help="Start anew whenever a file of the code changes: for development.")
    ] = False,
) -> None:
    """Serve the promoted model with BentoML; train one first when there is none.

    Honours HOST, PORT and every other setting of .env.example. Ends like `bentoml serve` does, which it becomes.
    """
    or_exit(lambda: _serve(read_settings(), reload))


def build() -> None:
    """Build a Bento around the promoted model: `bentoml build`, in the BentoML store that this project uses."""
    or_exit(lambda: _become_bentoml(read_settings(), "build"))


def _train(  # noqa: PLR0913, PLR0917  # what the command takes
    settings: Settings,
    data: Path,
    schema: Path,
    options: Mapping[str, object],
    trials: int = 0,
    as_json: bool = False,
) -> None:
    from rich.console import Console

    from loan_default.training.fit import FitOptions
    from loan_default.training.report import Terminal, as_dict, print_outcome
    from loan_default.training.run import Order
    from loan_default.training.run import train as run_training

    order = Order(data, schema, FitOptions.model_validate(options), trials)
    with Terminal(Console(stderr=as_json)) as terminal:
        outcome = run_training(settings, order, terminal)
    if as_json:
        typer.echo(json.dumps(as_dict(outcome), indent=2))
    else:
        print_outcome(Console(), outcome)
    if outcome.promoted and "production" not in outcome.promoted:
        typer.echo(f"Promoted to {' and '.join(outcome.promoted)} only.", err=True)
    if outcome.held_back and "production" not in outcome.promoted:
        raise PromotionRefused(" ".join(outcome.held_back))


def _serve(settings: Settings, reload: bool) -> NoReturn:
    from loan_default.served import find_served

    _require_free_port(settings)  # before the minute that training may take
    try:
        find_served(settings, PROJECT)
    except ModelUnavailable:
        _train(settings, DEFAULT_DATA, DEFAULT_SCHEMA, {})
    if sys.stdin.isatty() and "shutdown_delay_s" not in settings.model_fields_set:
        os.environ["SHUTDOWN_DELAY_S"] = "0"  # no balancer is told of a server at a terminal, and Ctrl-C means now
    options = ["--reload"] if reload else []
    _become_bentoml(settings, "serve", SERVICE, "--host", settings.host, "--port", str(settings.port), *options)


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
