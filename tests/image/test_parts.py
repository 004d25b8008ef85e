"""The parts as containers of their own: the drift monitor beside an API server, and training.

`make image image-drift image-training` builds them; without one its test is skipped.
"""

import json
import time
from collections.abc import Iterator

import pytest
from containers import Container, engine_with

pytestmark = [pytest.mark.image, pytest.mark.timeout(400)]

ROWS = [{"employed": 0, "bank_balance": 20_000.0 + i, "annual_salary": 90_000.0 + i} for i in range(250)]
WATCHED = {"DRIFT_SAMPLING_RATE": "1", "DRIFT_CHECK_INTERVAL_S": "0.5", "RATE_LIMIT_PER_MINUTE": "0"}


@pytest.fixture
def volumes() -> Iterator[list[str]]:
    """Two empty volumes."""
    engine = engine_with("loan_default")
    names = [f"loan-default-parts-{number}-{time.monotonic_ns()}" for number in (1, 2)]
    for name in names:
        engine.answer("volume", "create", name)
    yield names
    for name in names:
        engine.answer("volume", "rm", "--force", name)


def test_a_drift_monitor_of_its_own_draws_evidentlys_report(volumes: list[str]) -> None:
    engine = engine_with("loan_default_drift")
    monitor = Container(engine, "loan_default_drift", volumes[0], WATCHED)
    api = Container(engine, "loan_default", volumes[1], {**WATCHED, "DRIFT_URL": monitor.url, "JOB_WORKER": "off"})
    try:
        monitor.start()
        api.start()
        with api.client() as client:
            client.post("/predict", json={"applications": ROWS}).raise_for_status()
            deadline = time.monotonic() + 180
            while client.get("/api/v1/drift").json()["data"]["status"] != "drift":
                assert time.monotonic() < deadline, monitor.logs()[-4000:]
                time.sleep(0.5)
            while "evidently" not in (page := client.get("/api/v1/drift/report").text).lower() or len(page) < 1_000_000:
                assert time.monotonic() < deadline, page[:2000]
                time.sleep(1)
    finally:
        for container in (api, monitor):
            container.remove()


def test_training_runs_hardened_and_promotes(volumes: list[str]) -> None:
    engine = engine_with("loan_default_training")
    training = Container(engine, "loan_default_training", volumes[0], {})
    try:
        training.run_once("python", "train.py", "--folds", "2", "--json")
        assert training.wait(300) == 0, training.logs()[-4000:]
        training.remove()
        training.run_once("loan-default", "history", "--json")
        assert training.wait(60) == 0, training.logs()[-4000:]
        events = json.loads(training.logs())
        assert {event["stage"] for event in events} == {"production", "staging"}
    finally:
        training.remove()


# MLflow keeps users in a database of its own, by default in the working folder, which is read-only here.
_LOGIN = """
cat >/state/login.ini <<END
[mlflow]
default_permission = READ
database_uri = sqlite:////state/login.db
admin_username = someone
admin_password = $(python -c 'import secrets; print(secrets.token_urlsafe(24))')
END
MLFLOW_AUTH_CONFIG_PATH=/state/login.ini exec mlflow server --host 127.0.0.1 --port PORT --workers 1 \
  --app-name basic-auth --backend-store-uri sqlite:////state/mlflow.db --artifacts-destination /state/artifacts
"""


def test_mlflows_server_asks_for_a_login(volumes: list[str]) -> None:
    engine = engine_with("loan_default_training")
    server = Container(engine, "loan_default_training", volumes[0], {"MLFLOW_FLASK_SERVER_SECRET_KEY": "for-this-test"})
    try:
        server.run_once("sh", "-c", _LOGIN.replace("PORT", str(server.port)))
        deadline = time.monotonic() + 180
        while server.status("/health") != 200:
            assert server.running, server.logs()[-4000:]
            assert time.monotonic() < deadline, server.logs()[-4000:]
            time.sleep(0.5)
        assert server.status("/api/2.0/mlflow/experiments/get?experiment_id=0") == 401
    finally:
        server.remove()
