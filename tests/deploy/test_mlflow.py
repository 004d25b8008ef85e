"""MLflow's server in compose.yaml: no login only on this machine, otherwise a real one that the environment changes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from installation import ROOT, free_port

SERVE = [sys.executable, str(ROOT / "deploy" / "mlflow" / "serve.py")]
_READY_WITHIN_S = 150


def variables(folder: Path, **given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    stores = {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
    }
    return {**kept, **stores, "MLFLOW_HOST": "127.0.0.1", "MLFLOW_WORKERS": "1", **given}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "without a login MLflow must stay on this machine"),
        ({"MLFLOW_BIND": "0.0.0.0"}, "without a login MLflow must stay on this machine"),
        ({"MLFLOW_BIND": "127.0.0.1", "MLFLOW_TRACKING_USERNAME": "admin"}, "belong together"),
        ({"MLFLOW_BIND": "127.0.0.1", "MLFLOW_TRACKING_PASSWORD": "a-long-password"}, "belong together"),
        ({"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "short"}, "at least 12 characters"),
    ],
)
def test_what_would_leave_it_open_is_refused(tmp_path: Path, given: dict[str, str], reason: str) -> None:
    done = subprocess.run(
        SERVE, env=variables(tmp_path, **given), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert reason in done.stderr
    assert "a-long-password" not in done.stderr


@contextmanager
def mlflow(folder: Path, **given: str) -> Iterator[str]:
    """A running server's address."""
    port = free_port()
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            SERVE, env=variables(folder, MLFLOW_PORT=str(port), **given), stdout=log, stderr=log, cwd=folder
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + _READY_WITHIN_S
        while not _healthy(url):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def status(url: str, login: tuple[str, str] | None = None) -> int:
    """Of a look at the experiments."""
    return httpx.get(f"{url}/api/2.0/mlflow/experiments/search?max_results=1", auth=login, timeout=30).status_code


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_administrator_is_the_one_of_the_environment_also_after_a_change(tmp_path: Path) -> None:
    pytest.importorskip("flask_wtf", reason="mlflow[auth] is not installed")
    user = {"MLFLOW_TRACKING_USERNAME": "owner"}
    first, second = ("owner", "first password % 1"), ("owner", "second password 2")
    with mlflow(tmp_path, **user, MLFLOW_TRACKING_PASSWORD=first[1]) as url:
        assert (status(url), status(url, ("owner", "wrong")), status(url, first)) == (401, 401, 200)
        assert httpx.get(url, timeout=30).status_code == 401
    with mlflow(tmp_path, **user, MLFLOW_TRACKING_PASSWORD=second[1]) as url:
        assert (status(url), status(url, first), status(url, second)) == (401, 401, 200)
    log = (tmp_path / "log").read_text()
    assert "The password of owner was changed" in log
    assert first[1] not in log
    assert second[1] not in log


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_on_this_machine_alone_there_may_be_no_login(tmp_path: Path) -> None:
    with mlflow(tmp_path, MLFLOW_BIND="127.0.0.1") as url:
        assert status(url) == 200
