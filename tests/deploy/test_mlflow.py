"""MLflow's server in compose.yaml: no login only on this machine, otherwise a real one that the environment changes."""

import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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


def brought_in_line_by_serve(address: str) -> None:
    """What compose's server does when it starts."""
    os.environ["MLFLOW_BACKEND_STORE_URI"] = address
    runpy.run_path(SERVE[1])["_set_up"]("now", "password of today")


def brought_in_line_by_hand(address: str) -> None:
    """What docs/kubernetes.md has for the pod of MLflow."""
    os.environ.update({"MLFLOW_AUTH_ADMIN_USERNAME": "now", "MLFLOW_AUTH_ADMIN_PASSWORD": "password of today"})
    program = (ROOT / "docs" / "kubernetes.md").read_text().partition("<<'END'\n")[2].partition("END\n")[0]
    kept_at = "sqlite:////mlflow/users.db"
    assert f"database_uri = {kept_at}\n" in (ROOT / "k8s" / "components" / "mlflow" / "basic_auth.ini").read_text()
    assert kept_at in program
    exec(program.replace(kept_at, address), {})


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.filterwarnings("default")  # of MLflow, about itself
@pytest.mark.parametrize("brought_in_line", [brought_in_line_by_serve, brought_in_line_by_hand])
def test_an_administrator_of_another_name_loses_its_rights_and_its_password(
    brought_in_line: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("flask_wtf", reason="mlflow[auth] is not installed")
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    store = SqlAlchemyStore()
    store.init_db(address)
    store.create_user("before", "a leaked password", is_admin=True)
    store.create_user("now", "password before that", is_admin=False)
    store.create_user("somebody", "a password of theirs", is_admin=False)

    monkeypatch.setattr(os, "environ", dict(os.environ))
    brought_in_line(address)

    assert {user.username: user.is_admin for user in store.list_users()} == {
        "before": False, "now": True, "somebody": False
    }  # fmt: skip
    assert not store.authenticate_user("before", "a leaked password")
    assert store.authenticate_user("now", "password of today")
    assert store.authenticate_user("somebody", "a password of theirs")


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_on_this_machine_alone_there_may_be_no_login(tmp_path: Path) -> None:
    with mlflow(tmp_path, MLFLOW_BIND="127.0.0.1") as url:
        assert status(url) == 200
