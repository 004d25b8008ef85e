"""How much online scoring suffers while a bulk job runs on the same machine.

    python -m benchmarks.beside [--rows 5000000] [--rate 100]

Starts our server, asks for one prediction after another at a steady rate, alone and then beside a job, and prints the
latencies of both. A request is due at its time whether or not the last one was answered, so a stall is seen by all
that were due in it.
"""

import asyncio
import http.client
import json
import shutil
import statistics
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import bulk
from benchmarks.environments import CACHE
from benchmarks.online.running import Running, running
from benchmarks.online.servers import Place, ours
from benchmarks.online.subject import subject

_APPLICANTS = 1000
_CONNECTIONS = 8
FINISHED = frozenset({"SUCCESS", "FAILURE", "CANCELLED"})


def main(
    rows: Annotated[int, typer.Option(min=1000, help="Rows of the job.")] = 5_000_000,
    rate: Annotated[float, typer.Option(min=1, help="Predictions asked for a second.")] = 100,
    seconds: Annotated[float, typer.Option(min=1, help="How long without a job.")] = 20,
    workers: Annotated[int, typer.Option(min=1, help="Online workers.")] = 1,
    cache: Annotated[Path, typer.Option(help="Where the model is kept.")] = CACHE,
) -> None:
    """Measure and print."""
    asked = subject(cache, _APPLICANTS)
    portfolio = bulk.portfolio("parquet", rows)
    with running(ours(Place(asked, None), workers)) as up:
        bodies = up.server.bodies(asked.applicants, 1)
        asyncio.run(ask(up, bodies, rate, until=_after(2)))
        alone = asyncio.run(ask(up, bodies, rate, until=_after(seconds)))
        began = time.monotonic()
        job = submit(up, portfolio)
        beside = asyncio.run(ask(up, bodies, rate, until=lambda: status(up, job)["status"] in FINISHED))
        took = time.monotonic() - began
        ended = status(up, job)
    shutil.rmtree(asked.state / "jobs")  # a gigabyte
    typer.echo("| beside | requests | p50 ms | p99 ms | max ms |")
    typer.echo("|---|---:|---:|---:|---:|")
    for name, latencies in (("nothing", alone), (f"a job of {rows:,} rows", beside)):
        typer.echo(f"| {name} | {len(latencies):,} | {' | '.join(f'{ms:.2f}' for ms in _figures(latencies))} |")
    ratio = _figures(beside)[1] / _figures(alone)[1]
    typer.echo(f"\np99 × {ratio:.1f}; the job: {ended['status']}, {rows / took:,.0f} rows/s with its upload")


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


async def ask(up: Running, bodies: Sequence[str], rate: float, until: Callable[[], bool]) -> list[float]:
    """Ask at a steady rate until told to stop; the latencies in milliseconds, from when each request was due."""
    latencies: list[float] = []
    requests = [_request(up, body) for body in bodies]
    over = asyncio.Event()
    started = time.perf_counter()
    count = iter(range(10**9))

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", up.port)
        while not over.is_set():
            i = next(count)
            due = started + i / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(requests[i % len(requests)])
            await _answer(reader)
            latencies.append((time.perf_counter() - due) * 1e3)
        writer.close()

    async def watch() -> None:
        while not await asyncio.to_thread(until):  # noqa: ASYNC110  # a server is asked, nobody here could set an event
            await asyncio.sleep(1)
        over.set()

    await asyncio.gather(watch(), *(caller() for _ in range(_CONNECTIONS)))
    return latencies


def _request(up: Running, body: str) -> bytes:
    headers = {"Host": "localhost", **up.server.headers, "Content-Length": str(len(body.encode()))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {up.server.path} HTTP/1.1\r\n{head}\r\n{body}".encode()


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    if " 200 " not in head.partition("\r\n")[0]:
        raise RuntimeError(head.partition("\r\n")[0])
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    await reader.readexactly(length)


def submit(up: Running, portfolio: Path) -> str:
    """Hand the portfolio in; the job's id."""
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{portfolio.name}"\r\n'
        "Content-Type: application/vnd.apache.parquet\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=300)
    connection.putrequest("POST", "/api/v1/predict/batch/file")
    kind = f"multipart/form-data; boundary={boundary}"
    for name, value in {**up.server.headers, "Content-Type": kind}.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(head) + portfolio.stat().st_size + len(tail)))
    connection.endheaders(head)
    with portfolio.open("rb") as file:
        while block := file.read(1 << 20):
            connection.send(block)
    connection.send(tail)
    return str(_json(connection)["job_id"])


def status(up: Running, job: str) -> Mapping[str, Any]:
    """How a job stands."""
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=30)
    connection.request("GET", f"/api/v1/predict/batch/{job}", headers=dict(up.server.headers))
    return _json(connection)


def _json(connection: http.client.HTTPConnection) -> Mapping[str, Any]:
    response = connection.getresponse()
    content: Mapping[str, Any] = json.loads(response.read())
    connection.close()
    if not content.get("success"):
        raise RuntimeError(f"{response.status}: {content}")
    return content


def _figures(latencies: Sequence[float]) -> tuple[float, float, float]:
    """p50, p99 and the maximum."""
    return statistics.median(latencies), float(np.quantile(latencies, 0.99)), max(latencies)


if __name__ == "__main__":
    typer.run(main)
