"""Processes of their own: killed, two at once, and one that may not write where it should."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from decisions import is_kept
from installation import with_helpers

from loan_default.decision_log import writer
from loan_default.decision_log.segments import segments
from loan_default.settings import Settings

_PROCESS = """
import asyncio, os, pwd, sys, time
from pathlib import Path
from decisions import Answers, decide
from loan_default.decision_log import open_decision_log
from loan_default.model import LoanModel
from loan_default.settings import Settings

answers = Answers(LoanModel.load(Path(sys.argv[1])))
decided = decide(answers)
if sys.argv[4]:
    os.seteuid(pwd.getpwnam(sys.argv[4]).pw_uid)
log = open_decision_log(Settings(_env_file=None, state_dir=sys.argv[2], decision_log=sys.argv[3]))

def again():
    return decide(answers, pd=decided.pd)

async def require():
    while True:
        batch = [again() for _ in range(3)]
        await log.append_required(batch)
        print(*[one.decision_id for one in batch], sep="\\n", flush=True)

async def append():
    while True:
        one = again()
        log.append(one)
        print(one.decision_id, time.monotonic(), flush=True)
        await asyncio.sleep(0)

asyncio.run(require() if log.required else append())
"""


@contextmanager
def process(model_folder: Path, state: Path, mode: str, user: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that decides without end and prints each decision's id."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROCESS, model_folder, state, mode, user],
        env=with_helpers(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def all_ids(folder: Path) -> set[str]:
    text = b"".join(segment.path.read_bytes() for segment in segments(folder))
    return {line[7:39].decode() for line in text.split(b"\n")[:-1]}


@pytest.mark.slow
def test_after_kill_9_every_required_decision_is_there(settings: Settings, model_folder: Path) -> None:
    with process(model_folder, settings.state, "required") as running:
        assert running.stdout is not None
        told = [running.stdout.readline().strip() for _ in range(100)]
        running.send_signal(signal.SIGKILL)
        told += running.stdout.read().split()
    assert running.returncode == -signal.SIGKILL
    assert all(is_kept(settings, one) for one in told[:100])
    assert not set(told) - all_ids(settings.state / "decisions")


@pytest.mark.slow
def test_after_kill_9_all_but_the_last_moment_is_there(settings: Settings, model_folder: Path, folder: Path) -> None:
    with process(model_folder, settings.state, "best-effort") as running:
        assert running.stdout is not None
        told: list[tuple[str, float]] = []
        while not told or told[-1][1] - told[0][1] < 2:
            one, at = running.stdout.readline().split()
            told.append((one, float(at)))
        running.send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        told += [(one, float(at)) for one, at in map(str.split, running.stdout.read().splitlines())]
    kept = all_ids(folder)
    there = [one in kept for one, _ in told]
    # What is missing are the last ones: those of the flush interval, and what the machine was slow to write.
    assert there == sorted(there, reverse=True)
    assert all(one in kept for one, at in told if at < killed_at - writer.FLUSH_INTERVAL_S - 1)
    assert is_kept(settings, told[0][0])


@pytest.mark.slow
def test_two_processes_at_once_keep_all_of_both(settings: Settings, model_folder: Path, folder: Path) -> None:
    with (
        process(model_folder, settings.state, "required") as one,
        process(model_folder, settings.state, "required") as other,
    ):
        told = set()
        for running in (one, other):
            assert running.stdout is not None
            told |= {running.stdout.readline().strip() for _ in range(300)}
    assert not told - all_ids(folder)
    assert len(list(segments(folder))) == 2


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_belongs_to_somebody_else_is_told_once_and_recovers(model_folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders let nobody else in
        state = Path(place)
        state.chmod(0o755)
        with process(model_folder, state, "best-effort", "nobody") as running:
            assert running.stderr is not None
            assert "Permission denied in STATE_DIR/decisions" in running.stderr.readline()
            shutil.chown(state, "nobody")
            assert "it is written again" in running.stderr.readline()
