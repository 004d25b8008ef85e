"""Run as a container does: a process that asks a real server, and whose exit code is the answer."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from installation import ROOT, free_port
from local_http import Quiet, answering

SCRIPT = ROOT / "loan_default" / "health_check.py"


class Answering(Quiet):
    """Ready on one path, and not on any other."""

    def do_GET(self) -> None:  # noqa: N802  # the name that it is called by
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()


@pytest.fixture
def port() -> Iterator[int]:
    with answering(Answering) as port:
        yield port


def check(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=20, check=False)


def test_a_server_that_is_ready_is_healthy(port: int) -> None:
    done = check(BENTOML_PORT=str(port))
    assert (done.returncode, done.stdout) == (0, f"/readyz on port {port}: HTTP/1.0 200 OK\n")


def test_one_that_is_not_ready_is_not(port: int) -> None:
    assert check(port, "/other").returncode == 1


def test_nor_is_one_that_is_not_there() -> None:
    done = check(free_port())
    assert done.returncode == 1
    assert "refused" in done.stdout
