"""What end-to-end tests are made of: an installation of its own for each state folder, and real served processes."""

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from loan_default.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
KEY = "end-to-end-key"
_READY_WITHIN_S = 90


def with_helpers() -> dict[str, str]:
    """This environment, in which Python code finds what tests share, as tests themselves do."""
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}"}


@dataclass(frozen=True)
class Installation:
    """A state folder, and every command of the project pointed at it."""

    state: Path
    training_output: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """This environment without any setting of ours, pointed at the state folder."""
        return environment(self.state)

    def run(self, *command: str, timeout_s: float = 240, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the project to its end."""
        environment = {**self.environment, **extra}
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def copy(self, state: Path) -> "Installation":
        """The same in a folder of its own: no two servers share one, nor what one of them has been doing."""

        def of_a_server(folder: str, names: list[str]) -> set[str]:
            return {"jobs", "drift"} & set(names) if Path(folder) == self.state else set()

        return Installation(shutil.copytree(self.state, state, ignore=of_a_server))

    def python(self, code: str) -> str:
        """Run Python code in this installation; returns what it printed."""
        done = self.run(sys.executable, "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def client(self, key: str | None = KEY) -> httpx.Client:
        """An HTTP client that sends the key."""
        return httpx.Client(base_url=self.url, headers={"X-API-Key": key} if key else {}, timeout=30)

    def workers(self) -> list[psutil.Process]:
        """Its processes for online scoring."""
        beside = {"JobWorker", "DriftMonitor"}
        return [child for child in self._children() if not beside & set(child.cmdline())]

    def job_workers(self) -> list[psutil.Process]:
        """Its processes for bulk jobs: one, unless it died or is off."""
        return [child for child in self._children() if "JobWorker" in child.cmdline()]

    def drift_monitors(self) -> list[psutil.Process]:
        """Its processes for the drift monitor: one, unless it died or is off."""
        return [child for child in self._children() if "DriftMonitor" in child.cmdline()]

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged; what is no line of ours is left out."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith('{"time"')]

    def logged(self, message: str) -> list[int]:
        """The processes that logged something with `message` in it, one for each time."""
        return [line["process"] for line in self.lines() if message in line["message"]]

    def metrics(self) -> dict[str, float]:
        """The samples of `/metrics`, by their names as the page has them."""
        lines = httpx.get(self.url + "/metrics", timeout=30).text.splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def _children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def environment(state: Path) -> dict[str, str]:
    """This environment without any setting of ours, pointed at `state`."""
    ours = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name not in ours and name != "BENTOML_CONFIG"}
    commands = Path(sys.executable).parent
    return {
        **kept,
        "STATE_DIR": str(state),
        "BENTOML_HOME": str(state / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "API_KEY": KEY,
        "RATE_LIMIT_PER_MINUTE": "0",  # what a test counts it says itself
        "SHUTDOWN_DELAY_S": "0",
        "PATH": f"{commands}{os.pathsep}{kept['PATH']}",
    }


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(  # noqa: PLR0913  # what, where, and how to tell that it started
    command: Sequence[str],
    variables: dict[str, str],
    folder: Path,
    log: Path,
    *,
    ready: bool = True,
    port: int | None = None,
    terminal: bool = False,
) -> Iterator[Server]:
    """Run `command` until the block ends; waits until it is ready (or, with ready=False, alive).

    A `port` says that the command knows where to listen; without one it is given `--port` and a free port.
    With `terminal` its input is one, and its process group its own, so that it can be interrupted as by Ctrl-C.
    """
    arguments = [] if port else ["--host", "127.0.0.1", "--port", str(port := free_port())]
    ours, its = pty.openpty() if terminal else (None, None)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=folder,
            env=variables,
            stdin=its,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=terminal,
        )
    server = Server(process, f"http://127.0.0.1:{port}", log)
    try:
        _wait(server, "/readyz" if ready else "/healthz")
        yield server
    finally:
        if process.poll() is None:
            server.stop()
        for end in (ours, its):
            if end is not None:
                os.close(end)


def _wait(server: Server, path: str) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if httpx.get(server.url + path, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"the server did not answer {path}:\n{server.log.read_text()[-4000:]}")
