"""How late a process is woken beside others that write files, by how much each of their calls writes.

    python -m benchmarks.wakeups

Why `loan_default/storage.py` writes in small pieces. Two writers at the lowest priority fill files of 200 MB while this
process, at real-time priority where it may (root), sleeps until a time, 200 times a second. A minute; needs 400 MB.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np
import typer

SECONDS = 8
EVERY_S = 0.005
FILE_BYTES = 200 << 20
KIB = (2048, 256, 64, 16)
WRITER = f"""
import os, sys
os.nice(19)
piece = bytes(int(sys.argv[1]) << 10)
while True:
    with open(sys.argv[2], "wb", buffering=0) as file:
        for _ in range({FILE_BYTES} // len(piece)):
            file.write(piece)
"""


def main() -> None:
    """Measure and print."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    typer.echo("| beside | late by, ms: p50 | p95 | p99 | most |\n|---|---:|---:|---:|---:|")
    typer.echo(f"| nothing | {figures(lateness())} |")
    for kib in KIB:
        with writing(kib):
            typer.echo(f"| two writers of {kib:,} KiB at once | {figures(lateness())} |")


@contextmanager
def writing(kib: int) -> Iterator[None]:
    """Two processes that write."""
    with tempfile.TemporaryDirectory(prefix="loan-default-wakeups-") as folder:
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(kib), f"{folder}/{i}"],
                preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)),  # noqa: PLW1509  # no threads here
                start_new_session=True,
            )
            for i in range(2)
        ]
        try:
            yield
        finally:
            for writer in writers:
                writer.kill()
                writer.wait()


def lateness() -> list[float]:
    """By how many milliseconds this process was woken too late, each time."""
    late: list[float] = []
    started = time.perf_counter()
    for i in range(1, int(SECONDS / EVERY_S)):
        due = started + i * EVERY_S
        time.sleep(max(0.0, due - time.perf_counter()))
        late.append((time.perf_counter() - due) * 1e3)
    return late


def figures(late: Sequence[float]) -> str:
    """As cells of a table."""
    return " | ".join(f"{value:.2f}" for value in np.quantile(late, [0.5, 0.95, 0.99, 1]))


if __name__ == "__main__":
    typer.run(main)
