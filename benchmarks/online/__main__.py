"""The command: `python -m benchmarks.online`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.environments import CACHE, RivalFailed
from benchmarks.online.measure import Round, measure, spreads
from benchmarks.online.servers import SERVERS, Place, Server
from benchmarks.online.subject import subject
from benchmarks.online.table import lines
from benchmarks.online.wrk import require_wrk
from loan_default.cli.shared import or_exit

_APPLICANTS = 1000


def main(  # noqa: PLR0913, PLR0917  # its arguments are the command's options
    only: Annotated[str, typer.Option(help=f"Some of: {','.join(SERVERS)}.")] = ",".join(SERVERS),
    seconds: Annotated[float, typer.Option(min=1, help="How long one load at 32 connections lasts.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="How often each server is measured; they take turns.")] = 3,
    cache: Annotated[Path, typer.Option(help="Where the model and rivals' environments are kept.")] = CACHE,
    figures: Annotated[Path | None, typer.Option(help="Where all figures go, as JSON.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only what needs no environment of its own.")] = False,
) -> None:
    """Measure online scoring beside rivals; prints a Markdown table."""

    def run() -> None:
        require_wrk()
        scored = subject(cache, _APPLICANTS)
        place = Place(scored, None if offline else cache)
        compare(place, only.split(","), seconds, rounds, figures or cache / "online.json")

    or_exit(run)


def compare(place: Place, names: list[str], seconds: float, rounds: int, figures: Path) -> None:
    """Measure the servers in turns and print the table."""
    servers, missing = prepared(place, names)
    measured: dict[str, list[Round]] = {name: [] for name in servers}
    for turn in range(rounds):
        for name, server in servers.items():
            if name in missing:
                continue
            print(f"round {turn + 1} of {rounds}: {server.title}", file=sys.stderr)
            try:
                measured[name].append(measure(server, place.subject, seconds=seconds))
            except RivalFailed as error:
                print(error.message, file=sys.stderr)
                missing[name] = error.message.splitlines()[0]
    known = {name: (servers[name].title, spreads(of_server)) for name, of_server in measured.items() if of_server}
    for line in lines(known, missing):
        print(line)
    content = {name: [asdict(of_round) for of_round in of_server] for name, of_server in measured.items()}
    figures.write_text(json.dumps({"rounds": content, "missing": missing}, indent=2) + "\n", encoding="utf-8")


def prepared(place: Place, names: list[str]) -> tuple[dict[str, Server], dict[str, str]]:
    """The servers that can be started, and why the others cannot."""
    servers: dict[str, Server] = {}
    missing: dict[str, str] = {}
    for name in names:
        if name not in SERVERS:
            raise RivalFailed(f"There is no server {name!r}; there are: {', '.join(SERVERS)}.")
        try:
            servers[name] = SERVERS[name](place)
        except RivalFailed as error:
            missing[name] = error.message
    return servers, missing


if __name__ == "__main__":
    typer.run(main)
