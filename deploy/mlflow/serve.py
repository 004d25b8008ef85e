"""Starts an MLflow server with MLflow's own login, whose administrator comes from the environment.

    MLFLOW_BACKEND_STORE_URI=… MLFLOW_TRACKING_USERNAME=… MLFLOW_TRACKING_PASSWORD=… python serve.py

The names are those that MLflow's clients read, so that one pair serves both ends. The environment is the truth: a name
or password that was changed there holds from the next start on, which MLflow alone would ignore or add to what there
was. There is one administrator: any other becomes a user with a password that nobody knows. Without the two there is no
login; then the server must only be reachable from its own machine, which MLFLOW_BIND, the address that its port is
published on, has to say.
"""

import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SHORTEST_PASSWORD = 12  # MLflow's own rule


def main() -> NoReturn:
    """Become `mlflow server`."""
    environment = os.environ
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    environment.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # of language models: nothing of ours
    options = ["--host", environment.get("MLFLOW_HOST", "0.0.0.0")]  # noqa: S104  # a container's own network
    options += ["--port", environment.get("MLFLOW_PORT", "5000"), "--workers", environment.get("MLFLOW_WORKERS", "2")]
    login = _login()
    if login is not None:
        _set_up(*login)
        options += ["--app-name", "basic-auth"]
    elif environment.get("MLFLOW_BIND") not in _LOOPBACK:
        _refuse("without a login MLflow must stay on this machine: set MLFLOW_TRACKING_USERNAME and _PASSWORD")
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "server", *options])  # noqa: S606  # a fixed program


def _login() -> tuple[str, str] | None:
    """The administrator's name and password; None when neither is set."""
    name = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if not name and not password:
        return None
    if not name or not password:
        _refuse("MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD belong together: set both or none")
    if len(password) < _SHORTEST_PASSWORD:
        _refuse(f"MLFLOW_TRACKING_PASSWORD must have at least {_SHORTEST_PASSWORD} characters")
    return name, password


def _set_up(name: str, password: str) -> None:
    """Tell MLflow where its users are, and bring its administrators in line with the environment."""
    store_uri = os.environ["MLFLOW_BACKEND_STORE_URI"]
    os.environ["MLFLOW_AUTH_ADMIN_USERNAME"] = name
    os.environ["MLFLOW_AUTH_ADMIN_PASSWORD"] = password
    # For the page that makes users. A restart costs whoever has it open a reload.
    os.environ.setdefault("MLFLOW_FLASK_SERVER_SECRET_KEY", secrets.token_hex(32))
    folder = Path(tempfile.mkdtemp(prefix="mlflow-"))  # mode 0700: the address holds a password
    escaped = store_uri.replace("%", "%%")
    lines = ["[mlflow]", "default_permission = NO_PERMISSIONS", f"database_uri = {escaped}"]
    (folder / "login.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(folder / "login.ini")

    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore()
    store.init_db(store_uri)
    users = {user.username: user for user in store.list_users()}  # MLflow makes the administrator when there is none
    if name in users and not store.authenticate_user(name, password):
        store.update_user(name, password=password)
        sys.stderr.write(f"The password of {name} was changed to the one of the environment.\n")
    if name in users and not users[name].is_admin:
        store.update_user(name, is_admin=True)
        sys.stderr.write(f"{name} is the administrator now, as the environment says.\n")
    for other in sorted(user.username for user in users.values() if user.is_admin and user.username != name):
        # Not demoted alone: whoever logged an experiment may go on changing it.
        store.update_user(other, password=secrets.token_urlsafe(32), is_admin=False)
        sys.stderr.write(
            f"{other} is no administrator any more, and has a password that nobody knows: {name} is the one of the "
            f"environment, and can give {other} another password or delete it.\n"
        )


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(f"error: {reason}\n")
    raise SystemExit(2)


if __name__ == "__main__":
    main()
