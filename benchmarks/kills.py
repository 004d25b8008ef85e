"""A job that loses its worker again and again, watched by a caller who must see nothing but progress.

    python -m benchmarks.kills [--rows 10000000] [--kills 50]

Starts a server that has no worker of its own and two workers beside it, hands in a portfolio, and kills one worker
after the other with SIGKILL at random moments, each replaced by a new one; predictions are asked for meanwhile. At the
end the results are compared, byte for byte, with those of a job that nobody disturbed.
"""

import asyncio
import hashlib
import http.client
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import bulk
from benchmarks.beside import FINISHED, ask, status, submit
from benchmarks.environments import CACHE, ROOT
from benchmarks.online.running import Running, running
from benchmarks.online.servers import Place, ours
from benchmarks.online.subject import subject

_SEED = 5
_LOOK_S = 0.1
_RATE = 50


def main(
    rows: Annotated[int, typer.Option(min=1000, help="Rows of the job.")] = 10_000_000,
    kills: Annotated[int, typer.Option(min=1, help="How often a worker is killed.")] = 50,
    longest: Annotated[float, typer.Option(min=0.1, help="Seconds between two kills, at most.")] = 3.0,
) -> None:
    """Do it and print what came of it."""
    place = Place(subject(CACHE, 1000), None)
    server = ours(place).having(JOB_WORKER="off")
    portfolio = bulk.portfolio("parquet", rows)
    workers = Workers(server.variables)
    with running(server) as up:
        try:
            workers.start(2)
            undisturbed = submit(up, portfolio)
            calm = Watch(up, undisturbed)
            calm.until_over()
            job = submit(up, portfolio)
            watch = Watch(up, job)
            latencies = asyncio.run(_disturbed(up, watch, workers, kills, longest))
            same = _results(up, undisturbed) == _results(up, job)
        finally:
            workers.kill_all()
    typer.echo(f"undisturbed: {calm.seconds:.1f} s; with {workers.killed} kills: {watch.seconds:.1f} s")
    typer.echo(f"seen by the caller: {watch.looks} looks, {watch.said}; progress never went back: {watch.forward}")
    typer.echo(f"{watch.last['completed'] + watch.last['rejected']:,} of {rows:,} rows; results the same bytes: {same}")
    typer.echo(f"{len(latencies):,} predictions meanwhile, all 200; p99 {np.quantile(latencies, 0.99):.1f} ms")
    if not (same and watch.forward and watch.last["status"] == "SUCCESS"):
        raise typer.Exit(1)


class Workers:
    """Workers beside the server."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = dict(variables)
        self._alive: list[subprocess.Popen[bytes]] = []
        self.killed = 0

    def start(self, count: int) -> None:
        """Start so many more."""
        command = [sys.executable, "-m", "loan_default.cli", "worker"]
        for _ in range(count):
            self._alive.append(
                subprocess.Popen(
                    command, cwd=ROOT, env=self._variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )

    def kill_one(self, chance: random.Random) -> None:
        """Kill one, and start another."""
        process = self._alive.pop(chance.randrange(len(self._alive)))
        process.kill()
        process.wait()
        self.killed += 1
        self.start(1)

    def kill_all(self) -> None:
        """The end."""
        for process in self._alive:
            process.kill()
            process.wait()


class Watch:
    """What a caller sees of a job.

    Attributes:
        forward: progress and rows never went back.
        said: how often each status came.
    """

    def __init__(self, up: Running, job: str) -> None:
        self._up, self._job = up, job
        self._began = time.monotonic()
        self.looks = 0
        self.said: dict[str, int] = {}
        self.forward = True
        self.last: Mapping[str, Any] = {"progress": 0, "completed": 0}
        self.seconds = 0.0

    def over(self) -> bool:
        """Look once; whether it is finished."""
        seen = status(self._up, self._job)
        self.looks += 1
        self.said[seen["status"]] = self.said.get(seen["status"], 0) + 1
        self.forward &= all(seen[name] >= self.last[name] for name in ("progress", "completed"))
        self.last, self.seconds = seen, time.monotonic() - self._began
        return seen["status"] in FINISHED

    def until_over(self) -> None:
        """Look until it is finished."""
        while not self.over():
            time.sleep(_LOOK_S)


async def _disturbed(up: Running, watch: Watch, workers: Workers, kills: int, longest: float) -> list[float]:
    """Kill workers until the job is over; the latencies of the predictions meanwhile, in milliseconds."""
    chance = random.Random(_SEED)  # noqa: S311  # no secret

    async def disturb() -> None:
        while workers.killed < kills and watch.last.get("status") not in FINISHED:
            await asyncio.sleep(chance.uniform(0, longest))
            await asyncio.to_thread(workers.kill_one, chance)

    bodies = up.server.bodies(subject(CACHE, 1000).applicants, 1)
    disturbing = asyncio.create_task(disturb())
    latencies = await ask(up, bodies, _RATE, until=watch.over)
    await disturbing
    return latencies


def _results(up: Running, job: str) -> str:
    """The checksum of a job's results as Parquet."""
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=60)
    path = f"/api/v1/predict/batch/{job}/results?format=parquet"
    connection.request("GET", path, headers=dict(up.server.headers))
    response = connection.getresponse()
    digest = hashlib.sha256()
    while block := response.read(1 << 20):
        digest.update(block)
    connection.close()
    return digest.hexdigest()


if __name__ == "__main__":
    typer.run(main)
