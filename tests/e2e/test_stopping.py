"""How a server stops: what callers see of SIGTERM and Ctrl-C, and that nothing is left behind."""

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from decisions import wait_for
from installation import ROOT, Installation, Server, free_port, serving
from wire import connection, request

pytestmark = pytest.mark.e2e

APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
CALL = request("/api/v1/predict", json.dumps(APPLICANT).encode())
SERVE = ["bentoml", "serve", "service:LoanDefault"]


@contextmanager
def newcomers(url: str) -> Iterator[list[str]]:
    """Connect anew every few milliseconds and ask; what became of each: answered, closing, refused or broken."""
    fates: list[str] = []
    over = threading.Event()

    def come() -> None:
        while not over.is_set():
            fates.append(_fate(url))
            time.sleep(0.005)

    thread = threading.Thread(target=come)
    thread.start()
    try:
        yield fates
    finally:
        over.set()
        thread.join()


def _fate(url: str) -> str:
    try:
        with connection(url) as opened:
            opened.send(CALL)
            reply = opened.reply()
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "broken"
    if reply is None or reply.status != 200:
        return "broken"
    return "closing" if reply.headers.get("connection") == "close" else "answered"


@contextmanager
def deaf_caller(server: Server) -> Iterator[None]:
    """Somebody who asks for more than the kernel keeps for him, and reads nothing."""

    def answered() -> float:
        counts = server.metrics().items()
        return sum(n for name, n in counts if name.startswith("loan_http_requests_total") and "/metrics" not in name)

    def is_stuck() -> bool:
        before = answered()
        time.sleep(0.5)
        return answered() == before

    at = urlsplit(server.url)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((at.hostname, at.port))
        deaf.sendall(request("/static_content/swagger-ui-bundle.js", b"", method="GET") * 12)
        wait_for(is_stuck)
        yield


def test_at_sigterm_readiness_fails_first_what_was_accepted_is_finished_and_newcomers_are_refused(
    installation: Installation, tmp_path: Path
) -> None:
    variables = {**installation.environment, "WORKERS": "2", "SHUTDOWN_DELAY_S": "2"}
    with (
        serving(SERVE, variables, ROOT, tmp_path / "log") as server,
        connection(server.url) as slow,
        deaf_caller(server),  # must not keep the server from stopping
    ):
        processes = [psutil.Process(server.process.pid), *server.workers()]
        slow.send(CALL[:-5])  # a call under way until long after the server would be gone without it
        with newcomers(server.url) as fates:
            wait_for(lambda: "answered" in fates)
            server.process.send_signal(signal.SIGTERM)
            wait_for(lambda: "closing" in fates)
            ready = httpx.get(server.url + "/readyz")
            wait_for(lambda: fates[-50:] == ["refused"] * 50)
            assert server.process.poll() is None
            slow.send(CALL[-5:])
            reply = slow.reply()
            assert server.process.wait(timeout=30) == 0
            seen = len(fates)
            wait_for(lambda: len(fates) > seen + 10)
    assert (ready.status_code, ready.json()["message"]) == (503, "The server is about to stop.")
    assert reply is not None
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    count = Counter(fates)
    # A connection that reaches the kernel in the very instant of the end may break; no other does.
    assert count["broken"] <= 1
    order = [fate for fate, _ in groupby(fates) if fate not in {"answered", "broken"}]
    assert order == ["closing", "refused"]
    assert count["closing"] > 50
    assert not psutil.wait_procs(processes, timeout=10)[1]
    assert server.logged("timeout graceful shutdown exceeded")  # because of the deaf one


def test_at_a_terminal_ctrl_c_ends_every_process_at_once_and_cleanly(
    installation: Installation, tmp_path: Path
) -> None:
    variables = {**installation.environment, "WORKERS": "2", "PORT": str(free_port())}
    del variables["SHUTDOWN_DELAY_S"]
    command, port = ["loan-default", "serve"], int(variables["PORT"])
    with serving(command, variables, ROOT, tmp_path / "log", port=port, terminal=True) as server:
        processes = [psutil.Process(server.process.pid), *server.workers()]
        assert {worker.environ()["SHUTDOWN_DELAY_S"] for worker in server.workers()} == {"0"}
        with server.client() as client:
            decided = client.post("/api/v1/predict", json=APPLICANT).json()["data"]["decision_id"]
            os.killpg(server.process.pid, signal.SIGINT)
            assert server.process.wait(timeout=20) == 0
        assert not psutil.wait_procs(processes, timeout=10)[1]
        assert "Traceback" not in server.log.read_text()
    shown = installation.run("loan-default", "decision", decided)
    assert shown.returncode == 0, shown.stderr


def test_a_worker_that_is_told_twice_stops_at_once_and_takes_no_caller_from_the_others(
    installation: Installation, tmp_path: Path
) -> None:
    variables = {**installation.environment, "WORKERS": "2", "SHUTDOWN_DELAY_S": "20"}
    with serving(SERVE, variables, ROOT, tmp_path / "log") as server:
        first, second = server.workers()
        wait_for(lambda: len(server.logged("Serving ")) == 2)
        with newcomers(server.url) as fates:
            first.terminate()
            wait_for(lambda: server.logged("Stopping: not ready any more") == [first.pid])
            first.terminate()
            first.wait(timeout=10)  # the delay is 20 s
            seen = len(fates)
            wait_for(lambda: len(fates) > seen + 100)
        assert Counter(fates)["broken"] == Counter(fates)["refused"] == 0
        second.kill()  # rather than wait for it


def test_a_server_that_starts_its_workers_anew_listens_again(installation: Installation, tmp_path: Path) -> None:
    """One worker alone shuts the door when it stops; the one that takes its place opens it again."""
    with serving(SERVE, installation.environment, ROOT, tmp_path / "log") as server:
        (worker,) = server.workers()
        worker.terminate()
        wait_for(lambda: _fate(server.url) == "refused")
        wait_for(lambda: _fate(server.url) == "answered", within_s=40)
