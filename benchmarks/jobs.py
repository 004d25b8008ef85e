"""What a job costs beside its rows: the time of a portfolio of one row, from handing it in to its end.

    python -m benchmarks.jobs [--jobs 30]

Starts our server with its job worker and hands in one portfolio after the other over HTTP; prints how long handing in
takes, and how long it is until the job is done, by asking every few milliseconds.
"""

import statistics
import time
from typing import Annotated

import typer

from benchmarks import bulk
from benchmarks.beside import FINISHED, status, submit
from benchmarks.environments import CACHE
from benchmarks.online.running import running
from benchmarks.online.servers import Place, ours
from benchmarks.online.subject import subject

_LOOK_S = 0.004


def main(jobs: Annotated[int, typer.Option(min=1, help="How many, one after the other.")] = 30) -> None:
    """Measure and print."""
    portfolio = bulk.portfolio("parquet", 1)
    taken: list[float] = []
    done: list[float] = []
    with running(ours(Place(subject(CACHE, 1000), None))) as up:
        for i in range(jobs + 3):
            began = time.perf_counter()
            job = submit(up, portfolio)
            accepted = time.perf_counter()
            while status(up, job)["status"] not in FINISHED:
                time.sleep(_LOOK_S)
            if i >= 3:  # the first ones open the database and import what they need
                taken.append((accepted - began) * 1e3)
                done.append((time.perf_counter() - began) * 1e3)
        ready_s = up.started_s
    for name, times in (("handed in", taken), ("done", done)):
        typer.echo(f"{name:10} median {statistics.median(times):6.1f} ms, at most {max(times):6.1f} ms")
    typer.echo(f"the server was ready after {ready_s:.1f} s")


if __name__ == "__main__":
    typer.run(main)
