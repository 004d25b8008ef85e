"""Two servers behind HAProxy, restarted one after the other under load, with the configuration of docs/deploy."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from decisions import wait_for
from installation import ROOT, Installation, Server, free_port, serving
from load import Question, constant_load

pytestmark = pytest.mark.e2e

CONFIGURATION = ROOT / "docs" / "deploy" / "haproxy.cfg"
APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
QUESTIONS = [
    Question("/api/v1/predict", APPLICANT),
    Question("/predict", {"applications": [APPLICANT, APPLICANT]}),
]


@contextmanager
def haproxy(servers: list[str], log: Path) -> Iterator[str]:
    """HAProxy in front of the servers; its address."""
    if shutil.which("haproxy") is None:
        assert not os.environ.get("CI"), "CI must have HAProxy: apt-get install haproxy"
        pytest.skip("HAProxy is not installed (apt-get install haproxy)")
    listen = f"127.0.0.1:{free_port()}"
    variables = {**os.environ, "LISTEN": listen, "SERVER_1": servers[0], "SERVER_2": servers[1]}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["haproxy", "-db", "-f", CONFIGURATION], env=variables, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield f"http://{listen}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def is_ready(url: str) -> bool:
    try:
        return httpx.get(url + "/readyz").status_code == 200
    except httpx.TransportError:
        return False


def server_is_back(server: Server) -> bool:
    """Whether the proxy sends calls to a server that was started anew."""
    return server.metrics().get('loan_predictions_total{face="rest"}', 0) > 50


def test_a_rolling_restart_of_two_servers_loses_no_call(installation: Installation, tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    homes = [installation.copy(tmp_path / f"state-{n}") for n in (1, 2)]

    def start(n: int, running: ExitStack) -> Server:
        variables = {**homes[n].environment, "SHUTDOWN_DELAY_S": "2"}
        command = ["bentoml", "serve", "service:LoanDefault", "--host", "127.0.0.1", "--port", str(ports[n])]
        log = tmp_path / f"log-{n}-{time.monotonic_ns()}"
        return running.enter_context(serving(command, variables, ROOT, log, port=ports[n]))

    with ExitStack() as running:
        addresses = [f"127.0.0.1:{port}" for port in ports]
        with ThreadPoolExecutor() as both:
            servers = list(both.map(lambda n: start(n, running), (0, 1)))
        proxy = running.enter_context(haproxy(addresses, tmp_path / "haproxy"))
        wait_for(lambda: is_ready(proxy))
        with constant_load(proxy, QUESTIONS) as load:
            for n in (0, 1):
                seen = len(load.answers)
                assert servers[n].stop() == 0
                servers[n] = start(n, running)
                wait_for(lambda: len(load.answers) > seen + 100)  # noqa: B023  # called at once
                wait_for(lambda: server_is_back(servers[n]))  # noqa: B023  # called at once
        assert httpx.get(proxy + "/metrics").status_code == 404
    assert load.failures == []
    assert len(load.answers) > 1000
