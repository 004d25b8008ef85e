"""`loan-default key …`: who may call. Keys are shown once, when they are made; only their hashes are kept."""

import json
from typing import Annotated

import typer

from loan_default.cli.shared import JsonOption, or_exit
from loan_default.settings import Settings, read_settings

key_app = typer.Typer(help="Make, list and revoke the keys of callers.", no_args_is_help=True)

_NameArgument = Annotated[str, typer.Argument(help="Whose key it is; logs and records show this name.")]


@key_app.command()
def add(
    name: _NameArgument,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="score|operate",
            help="What it may do: score (the default), operate, or both by naming the option twice.",
        ),
    ] = None,
) -> None:
    """Make a key and print it, once. A running server accepts it within seconds.

    Exit code 0: it is made. 2: the name is taken or the keys file cannot be changed.
    """
    or_exit(lambda: _add(read_settings(), name, scope or ["score"]))


@key_app.command(name="list")
def list_keys(as_json: JsonOption = False) -> None:
    """Show whose keys are valid by these settings, with their scopes and where each is kept; never a key."""
    or_exit(lambda: _list(read_settings(), as_json))


@key_app.command()
def revoke(name: _NameArgument) -> None:
    """Take a key away. A running server refuses it within seconds.

    Exit code 0: it is gone. 2: there is no key of that name, or the keys file cannot be changed.
    """
    or_exit(lambda: _revoke(read_settings(), name))


def _add(settings: Settings, name: str, scopes: list[str]) -> None:
    from loan_default.security.keys_file import add_key

    only_the_first = not settings.api_keys and settings.first_key_file.exists() and not _named(settings)
    typer.echo(add_key(settings.keys_file, name, scopes))
    typer.echo(f"This is the only time the key of {name} is shown; {settings.keys_file} keeps its hash.", err=True)
    if only_the_first:
        typer.echo(f"The key in {settings.first_key_file} is not valid any more: there is another now.", err=True)


def _list(settings: Settings, as_json: bool) -> None:
    from loan_default.security.keys import valid_keys

    held = [
        {"key_id": caller.key_id, "scopes": sorted(caller.scopes), "kept_in": kept_in}
        for caller, kept_in in valid_keys(settings)
    ]
    if as_json:
        typer.echo(json.dumps(held, indent=2))
        return
    for key in held:
        typer.echo(f"{key['key_id']:24}{','.join(key['scopes']):16}{key['kept_in']}")
    if not held:
        typer.echo("There is no key yet; the first start of the server makes one.")


def _revoke(settings: Settings, name: str) -> None:
    from loan_default.security.keys_file import revoke_key

    revoke_key(settings.keys_file, name)
    typer.echo(f"The key of {name} is gone.")
    if not settings.api_keys and not _named(settings):
        typer.echo(f"No key is configured now: the one in {settings.first_key_file} is valid.", err=True)


def _named(settings: Settings) -> bool:
    from loan_default.security.keys_file import read_keys

    return settings.keys_file.exists() and bool(read_keys(settings.keys_file))
