"""Two servers behind HAProxy, restarted one after the other under load, with the configuration of docs/deploy."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from decisions import wait_for
from installation import ROOT, Installation, Server, free_port, serving
from load import Question, constant_load
from proxy import haproxy, is_ready

pytestmark = pytest.mark.e2e

APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
QUESTIONS = [
    Question("/api/v1/predict", APPLICANT),
    Question("/predict", {"applications": [APPLICANT, APPLICANT]}),
]


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
