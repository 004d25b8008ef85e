"""Back-up and restore that are killed at any moment leave nothing half: real processes, kill -9.

`KILLS` in the environment sets how often; CI takes the short form.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from installation import ROOT, environment
from state_folder import held

from loan_default.backup.archive import verified
from loan_default.settings import Settings

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "4"))
_MOST_S = 60


def command(state: Path, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "loan_default.cli", *map(str, arguments)],
        cwd=ROOT,
        env=environment(state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def killed_after(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it was killed before it ended."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=_MOST_S)
        return True
    return False


@pytest.fixture
def large(kept: Settings) -> Settings:
    """A state that takes a while."""
    chance = random.Random(5)
    for i in range(400):
        part = kept.state / "jobs" / "files" / ("b" * 32) / "parts" / f"{i:06}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(chance.randbytes(200_000))
    return kept


def test_a_back_up_that_is_killed_is_not_there(large: Settings, tmp_path: Path) -> None:
    began = time.monotonic()
    folder = tmp_path / "backups"
    folder.mkdir()
    assert command(large.state, "backup", folder / "whole.tar.gz").wait(timeout=_MOST_S) == 0
    took_s = time.monotonic() - began
    whole = set(verified(folder / "whole.tar.gz").files)
    chance, killed = random.Random(7), 0
    for i in range(KILLS):
        target = folder / f"{i}.tar.gz"
        killed += killed_after(command(large.state, "backup", target), chance.uniform(0.3, 0.95) * took_s)
        found = {path.name for path in folder.iterdir()} - {"whole.tar.gz"}
        assert found <= {target.name}
        if found:
            assert set(verified(target).files) == whole
            target.unlink()
    assert killed


def test_a_restore_that_is_killed_is_begun_anew_or_finished(large: Settings, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    assert command(large.state, "backup", archive).wait(timeout=_MOST_S) == 0
    began = time.monotonic()
    assert command(tmp_path / "whole", "restore", archive).wait(timeout=_MOST_S) == 0
    took_s = time.monotonic() - began
    whole = held(tmp_path / "whole")
    chance, killed = random.Random(9), 0
    for i in range(KILLS):
        state = tmp_path / str(i)
        was_killed = killed_after(command(state, "restore", archive), chance.uniform(0.3, 1) * took_s)
        killed += was_killed
        half = (state / ".restoring").exists() or not state.exists() or not any(state.iterdir())
        assert was_killed or not half
        if half:
            assert not (state / "served").exists()
            assert command(state, "restore", archive).wait(timeout=_MOST_S) == 0
        assert held(state) == whole
    assert killed
