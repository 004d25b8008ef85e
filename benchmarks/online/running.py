"""Starts a server, waits until it is ready, asks it, and ends it with all its processes."""

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT, RivalFailed
from benchmarks.online import processes
from benchmarks.online.servers import Server

_READY_WITHIN_S = 120
_ENDED_WITHIN_S = 15
_LOG_CHARACTERS = 3000


@dataclass(frozen=True)
class Running:
    """A server that is ready.

    Attributes:
        leader: the id of its first process.
        started_s: how long it took from the command to ready.
    """

    server: Server
    leader: int
    port: int
    started_s: float

    @property
    def url(self) -> str:
        """Where applicants are posted."""
        return f"http://127.0.0.1:{self.port}{self.server.path}"

    def usage(self) -> processes.Usage:
        """What its processes have used up to now."""
        return processes.usage(self.leader)

    def ask(self, body: str) -> tuple[int, Mapping[str, str], Any]:
        """Post one body; the status, the headers in lower case and the JSON of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", self.server.path, body, dict(self.server.headers))
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return response.status, headers, _json(response.read())
        finally:
            connection.close()


@contextmanager
def running(server: Server) -> Iterator[Running]:
    """The server, ready, until the block ends.

    Raises:
        RivalFailed: it ended or was not ready in time; the end of what it printed is in the message.
    """
    ports = dict(zip(("port", "second_port", "third_port"), free_ports(3), strict=True))
    port = ports["port"]
    with tempfile.TemporaryDirectory(prefix="loan-default-online-") as folder:
        log = Path(folder, "log")
        began = time.perf_counter()
        with log.open("wb") as output:
            # A session of its own, so that all its processes can be found and ended.
            process = subprocess.Popen(
                [_filled(part, ports) for part in server.command],
                cwd=ROOT,
                env={name: _filled(value, ports) for name, value in server.variables.items()},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait(server, process, port, log)
            yield Running(server, process.pid, port, time.perf_counter() - began)
        finally:
            _end(process)


def _wait(server: Server, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", server.ready)
            if connection.getresponse().status == http.HTTPStatus.OK:
                connection.close()
                return
        connection.close()
        time.sleep(0.02)
    said = log.read_text(encoding="utf-8", errors="replace")[-_LOG_CHARACTERS:]
    raise RivalFailed(f"{server.title} did not become ready:\n{said}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the server; SIGKILL to whatever of it is left."""
    family = processes.members(process.pid)
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_ENDED_WITHIN_S)
    for pid in {*family, *processes.members(process.pid)}:
        if _is_ours(pid, process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()


def _is_ours(pid: int, session: int) -> bool:
    """Whether a process still belongs to the session; its id may be somebody else's by now."""
    try:
        return os.getsid(pid) == session
    except ProcessLookupError:
        return False


def _filled(text: str, ports: Mapping[str, int]) -> str:
    for name, port in ports.items():
        text = text.replace(f"{{{name}}}", str(port))
    return text


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all are held until the last is known, so that they differ."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
