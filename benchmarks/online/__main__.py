"""The command: `python -m benchmarks.online`."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from benchmarks.environments import CACHE, RivalFailed
from benchmarks.online import overload as flood
from benchmarks.online import scaling, table
from benchmarks.online import soak as soaking
from benchmarks.online.measure import Round, measure, spreads
from benchmarks.online.servers import SERVERS, Place, Server, ours, ours_native, stock_bentoml
from benchmarks.online.subject import subject
from benchmarks.online.wrk import require_wrk
from loan_default.cli.shared import or_exit

_APPLICANTS = 1000
_OVERLOAD_LIST = 10

Chosen = dict[str, Callable[[Place], Server]]


def main(  # noqa: PLR0913, PLR0917  # its arguments are the command's options
    only: Annotated[str, typer.Option(help=f"Some of {', '.join(SERVERS)}, separated by commas.")] = "",
    seconds: Annotated[float, typer.Option(min=1, help="How long one load lasts.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="How often each server is measured; they take turns.")] = 3,
    size: Annotated[
        int, typer.Option("--list", min=0, max=100, help="Instead: lists of so many, our native face beside BentoML's.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Instead: the throughput of so many workers over one.")] = 0,
    share: Annotated[
        float, typer.Option(min=0.1, max=1, help="With --workers: of one core, what each may use; needs root.")
    ] = 1,
    soak: Annotated[float, typer.Option(min=0, help="Instead: full load for so many minutes; ours, or --only.")] = 0,
    overload: Annotated[bool, typer.Option("--overload", help="Instead: a flood between two normal loads.")] = False,
    connections: Annotated[int, typer.Option(min=33, help="How many connections the flood has.")] = 2000,
    cache: Annotated[Path, typer.Option(help="Where the model and rivals' environments are kept.")] = CACHE,
    figures: Annotated[Path | None, typer.Option(help="Where all figures go, as JSON. Default: in the cache.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only what needs no environment of its own.")] = False,
) -> None:
    """Measure online scoring beside rivals, or put our server under stress; prints Markdown tables."""

    def run() -> None:
        require_wrk()
        chosen = {name: _known(name) for name in only.split(",") if name}
        place = Place(subject(cache, _APPLICANTS), None if offline else cache)
        to = figures or cache / "online.json"
        if workers:
            _say(scaling.lines(scaled := scaling.scale(place, workers, rounds, seconds, share)), scaled, to)
        elif soak:
            servers = [make(place) for make in (chosen or {"ours": ours}).values()]
            _say(soaking.lines(soaked := [soaking.soak(each, place.subject, soak) for each in servers]), soaked, to)
        elif overload:
            _say(flood.lines(flooded := _overload(place, size or _OVERLOAD_LIST, connections, seconds)), flooded, to)
        elif size:
            compare(place, {"ours": ours_native, "bentoml": stock_bentoml}, seconds, rounds, to, size)
        else:
            compare(place, chosen or SERVERS, seconds, rounds, to, 1)

    or_exit(run)


def compare(place: Place, chosen: Chosen, seconds: float, rounds: int, to: Path, size: int) -> None:  # noqa: PLR0913, PLR0917
    """Measure the servers in turns and print the table."""
    servers, missing = _prepared(place, chosen)
    measured: dict[str, list[Round]] = {name: [] for name in servers}
    for turn in range(rounds):
        for name, server in servers.items():
            if name in missing:
                continue
            print(f"round {turn + 1} of {rounds}: {server.title}", file=sys.stderr)
            try:
                measured[name].append(measure(server, place.subject, seconds=seconds, size=size))
            except RivalFailed as error:
                print(error.message, file=sys.stderr)
                missing[name] = error.message.splitlines()[0]
    known = {name: (servers[name].title, spreads(of_server)) for name, of_server in measured.items() if of_server}
    _say(table.lines(known, missing), {"rounds": measured, "missing": missing}, to)


def _overload(place: Place, size: int, connections: int, seconds: float) -> list[flood.Overloaded]:
    faces = ((ours(place), 1), (ours_native(place), size))
    return [
        flood.overload(server, place.subject, size=each, connections=connections, seconds=seconds)
        for server, each in faces
    ]


def _prepared(place: Place, chosen: Chosen) -> tuple[dict[str, Server], dict[str, str]]:
    """The servers that can be started, and why the others cannot."""
    servers: dict[str, Server] = {}
    missing: dict[str, str] = {}
    for name, make in chosen.items():
        try:
            servers[name] = make(place)
        except RivalFailed as error:
            missing[name] = error.message
    return servers, missing


def _known(name: str) -> Callable[[Place], Server]:
    if name not in SERVERS:
        raise RivalFailed(f"There is no server {name!r}; there are: {', '.join(SERVERS)}.")
    return SERVERS[name]


def _say(lines: Iterable[str], figures: Any, to: Path) -> None:
    """Print the lines, and keep all figures as JSON."""
    for line in lines:
        print(line, flush=True)
    to.write_text(json.dumps(figures, default=_plain, indent=2) + "\n", encoding="utf-8")


def _plain(figure: Any) -> Mapping[str, Any]:
    if isinstance(figure, BaseModel):
        return figure.model_dump()
    if is_dataclass(figure) and not isinstance(figure, type):
        return asdict(figure)
    raise TypeError(f"{type(figure)} is no figure")


if __name__ == "__main__":
    typer.run(main)
