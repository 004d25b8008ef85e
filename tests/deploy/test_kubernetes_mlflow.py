"""MLflow of the overlay `production`, in a pod of Podman's on a real Postgres: nobody gets in without its login."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from decisions import wait_for
from engines import running_postgres
from installation import free_port
from pods import Changes, Pod, cluster, image_of
from rendered import overlay

# Whoever starts several pods at once on two cores has to wait for them.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
START_S = 240

LOGIN = ("operator", "a-password-of-this-test")
EXPERIMENTS = "/api/2.0/mlflow/experiments/search?max_results=10"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    image, port = image_of("POD_TRAINING_IMAGE"), free_port()
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        postgres.query("CREATE DATABASE mlflow")
        made = stack.enter_context(cluster(tmp_path_factory.mktemp("mlflow"), ["loan-default-mlflow"]))
        address = postgres.url.replace("postgresql://", "postgresql+psycopg://").removesuffix("/postgres") + "/mlflow"
        values = {
            "MLFLOW_BACKEND_STORE_URI": address,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "made-up-for-this-test",
            "MLFLOW_AUTH_ADMIN_USERNAME": LOGIN[0],
            "MLFLOW_AUTH_ADMIN_PASSWORD": LOGIN[1],
        }
        made.add_secret("loan-default-mlflow", values)
        changes = Changes(image, "mlflow", port, {}, {"5000": str(port), "2": "1"})
        pod = stack.enter_context(made.running(overlay("production"), "loan-default-mlflow", "mlflow", changes))
        wait_for(lambda: pod.answers("/health"), START_S)
        yield pod


def ask(mlflow: Pod, host: str, login: tuple[str, str] | None) -> httpx.Response:
    return httpx.get(mlflow.url + EXPERIMENTS, headers={"Host": host}, auth=login, timeout=30)


@pytest.mark.parametrize("host", ["mlflow.example.com", "loan-default-mlflow:5000"])
def test_it_answers_to_its_names_with_its_login_alone(mlflow: Pod, host: str) -> None:
    assert ask(mlflow, host, None).status_code == 401
    assert ask(mlflow, host, (LOGIN[0], "wrong")).status_code == 401
    answer = ask(mlflow, host, LOGIN)
    assert answer.status_code == 200
    assert [found["name"] for found in answer.json()["experiments"]] == ["Default"]


def test_other_names_are_refused(mlflow: Pod) -> None:
    assert ask(mlflow, "elsewhere.example", LOGIN).status_code == 403


def test_artifacts_are_kept_on_its_volume(mlflow: Pod) -> None:
    place = f"{mlflow.url}/api/2.0/mlflow-artifacts/artifacts/notes/one.txt"
    headers = {"Host": "loan-default-mlflow:5000"}
    sent = httpx.put(place, content=b"kept", headers=headers, auth=LOGIN, timeout=30)
    assert sent.status_code == 200, sent.text
    assert mlflow.run("cat", "/mlflow/artifacts/notes/one.txt") == "kept"
    assert mlflow.run("ls", "/mlflow/users.db")


def test_it_goes_when_it_is_told_to(mlflow: Pod) -> None:
    assert mlflow.stop(30) in (0, 143)
