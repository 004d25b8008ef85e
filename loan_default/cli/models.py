"""`loan-default promote`, `rollback`, `history`, `evaluate` and `reproduce`: what becomes of trained models."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from loan_default.cli.shared import DEFAULT_DATA, JsonOption, or_exit
from loan_default.errors import NotReproduced, PromotionRefused
from loan_default.served import Served
from loan_default.settings import Settings, Stage, read_settings

_BY_HAND = "by hand"
_StageOption = Annotated[Stage, typer.Option(help="Which stage.")]
_ReasonOption = Annotated[str, typer.Option(help="Why; it is kept in the history.")]


def promote(
    version: Annotated[str, typer.Argument(help="The version in the registry.")],
    stage: _StageOption = "production",
    reason: _ReasonOption = _BY_HAND,
    force: Annotated[bool, typer.Option("--force", help="Even though it failed its gates; say why.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a registered version the model of a stage. Safe to repeat and to interrupt.

    Exit code 0: it is promoted. 2: there is no such version. 3: it failed its gates, or callers would break.
    """
    or_exit(lambda: _promote(read_settings(), version, stage, reason, force, as_json))


def rollback(stage: _StageOption = "production", reason: _ReasonOption = _BY_HAND, as_json: JsonOption = False) -> None:
    """Go back to the version that was promoted before the present one.

    Exit code 0: done. 3: there is none, or callers would break.
    """
    or_exit(lambda: _rollback(read_settings(), stage, reason, as_json))


def history(as_json: JsonOption = False) -> None:
    """Show every promotion, refusal and rollback, oldest first: who, when, why, figures, data and commit."""
    or_exit(lambda: _history(read_settings(), as_json))


def evaluate(
    data: Annotated[Path, typer.Argument(help="A CSV file with outcomes, as the model's declaration says.")],
    stage: _StageOption = "production",
    as_json: JsonOption = False,
) -> None:
    """Measure the promoted model on a file of loans whose outcome is known, with 95 % intervals."""
    or_exit(lambda: _evaluate(read_settings(), data, stage, as_json))


def reproduce(
    run: Annotated[str, typer.Argument(help="The MLflow run, or the version in the registry.")],
    data: Annotated[Path, typer.Option(help="The file it was trained on.")] = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Train a version again from its stored options and declaration, and compare trees and decision bit by bit.

    Exit code 0: the same. 2: not the same file. 3: another model; what differs in the environment is said.
    """
    or_exit(lambda: _reproduce(read_settings(), run, data, as_json))


def _promote(  # noqa: PLR0913, PLR0917  # what the command takes
    settings: Settings, version: str, stage: Stage, reason: str, force: bool, as_json: bool
) -> None:
    from loan_default.promotion import promotions
    from loan_default.registry import passed_gates, registered_version

    registered = registered_version(settings, version)
    if force and reason == _BY_HAND:
        raise PromotionRefused("Say why with --reason: the history keeps it.")
    with promotions(settings) as desk:
        if not force and not passed_gates(settings, registered, stage):
            raise PromotionRefused(
                f"Version {version} did not pass the gates of {stage}; --force --reason … promotes it all the same."
            )
        served = desk.promote(registered, stage, f"forced past its gates: {reason}" if force else reason)
    if as_json:
        _print_served(served, stage)
    else:
        typer.echo(f"Version {version} is promoted to {stage}: {served.tag} in the BentoML store.")


def _rollback(settings: Settings, stage: Stage, reason: str, as_json: bool) -> None:
    from loan_default.promotion import promotions

    with promotions(settings) as desk:
        served = desk.rollback(stage, reason)
    if as_json:
        _print_served(served, stage)
    else:
        typer.echo(f"Rolled {stage} back to version {served.version}: {served.tag} in the BentoML store.")


def _print_served(served: Served, stage: Stage) -> None:
    typer.echo(json.dumps({"stage": stage, "version": served.version, "model": served.tag}, indent=2))


def _history(settings: Settings, as_json: bool) -> None:
    from loan_default.promotion import promotions

    with promotions(settings) as desk:
        events = desk.history()
    if as_json:
        typer.echo(json.dumps([event.model_dump(mode="json") for event in events], indent=2))
        return
    for event in events:
        typer.echo(str(event))
        typer.echo(f"    {event.evidence}")
    if not events:
        typer.echo("Nothing has been promoted yet.")


def _evaluate(settings: Settings, data: Path, stage: Stage, as_json: bool) -> None:
    from loan_default.model import LoanModel
    from loan_default.served import pointed
    from loan_default.training.data import read_dataset
    from loan_default.training.evaluate import Predictions

    served = pointed(settings, stage)
    model = LoanModel.load(served.model_folder)
    loans = read_dataset(data, model.schema.as_declared())
    pd = model.pd(loans.applicants)
    predictions = Predictions(pd, pd >= model.decision.threshold, loans.target)
    figures, intervals = predictions.figures(), predictions.intervals(model.about.seed)
    if loans.sha256 == model.about.data_sha256:
        typer.echo("Warning: the model was trained on most of this file, so the figures flatter it.", err=True)
    if as_json:
        content: dict[str, Any] = {name: {"value": figures[name], "interval": intervals[name]} for name in figures}
        typer.echo(json.dumps({"model": served.tag, "rows": len(loans), "figures": content}, indent=2))
        return
    typer.echo(f"{served.tag} on {len(loans):,} loans of {data}, {int(loans.target.sum()):,} of which defaulted:")
    for name, value in figures.items():
        low, high = intervals[name]
        typer.echo(f"  {name:22}{value:8.4f}   95 % interval {low:.4f} to {high:.4f}")


def _reproduce(settings: Settings, run: str, data: Path, as_json: bool) -> None:
    from loan_default.model import LoanModel
    from loan_default.registry import model_files, registered_version
    from loan_default.training.reproduce import differences, train_again

    registered = registered_version(settings, run)
    with model_files(settings, registered) as folder:
        model = LoanModel.load(folder)
    different = differences(model, train_again(model, data))
    if as_json:
        content = {"version": registered.version, "run_id": registered.run_id, "differences": different}
        typer.echo(json.dumps({**content, "reproduced": not different}, indent=2))
    version = f"Version {registered.version}"
    if different:
        raise NotReproduced(f"{version} could not be reproduced: {'; '.join(different)}.")
    if not as_json:
        typer.echo(f"{version} is reproduced to the last bit: trees, calibration and threshold are the same.")
