"""HAProxy in front of two servers, with the configuration of docs/deploy."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from installation import ROOT, free_port

CONFIGURATION = ROOT / "docs" / "deploy" / "haproxy.cfg"


@contextmanager
def haproxy(servers: list[str], log: Path, configuration: Path = CONFIGURATION) -> Iterator[str]:
    """HAProxy in front of the servers; its address."""
    if shutil.which("haproxy") is None:
        assert not os.environ.get("CI"), "CI must have HAProxy: apt-get install haproxy"
        pytest.skip("HAProxy is not installed (apt-get install haproxy)")
    listen = f"127.0.0.1:{free_port()}"
    variables = {**os.environ, "LISTEN": listen, "SERVER_1": servers[0], "SERVER_2": servers[1]}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["haproxy", "-db", "-f", configuration], env=variables, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield f"http://{listen}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def is_ready(url: str) -> bool:
    """Whether it leads to a server that answers."""
    try:
        return httpx.get(url + "/readyz").status_code == 200
    except httpx.TransportError:
        return False
