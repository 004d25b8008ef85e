"""The overlay `production` as it is rendered, in pods of Podman's, on a real Postgres and a real Redis.

Two API pods, a job worker and the drift monitor: what one of them is told, the others know.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from decisions import wait_for
from engines import Postgres, running_postgres
from handed_in import APPLICANT, BATCH, FILE, csv
from installation import free_port
from pods import Changes, Pod, cluster, image_of
from redis_engine import RedisServer, redis_server
from rendered import overlay

from loan_default.security.keys_file import add_key

# Whoever starts several pods at once on two cores has to wait for them.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
START_S = 240

ROWS = 20_000
# Enough for all tests here but the one that uses it up.
LIMIT = 100
SETTINGS: dict[str, Any] = {"DRIFT_SAMPLING_RATE": "1", "RATE_LIMIT_PER_MINUTE": str(LIMIT)}


@dataclass(frozen=True)
class Production:
    """Its pods, and the keys of two callers."""

    api: tuple[Pod, Pod]
    worker: Pod
    monitor: Pod
    scorer: str
    operator: str
    postgres: Postgres

    def call(self, n: int, key: str) -> httpx.Client:
        return httpx.Client(base_url=self.api[n].url, headers={"X-API-Key": key}, timeout=30)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def production(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    image, drift_image = image_of("POD_IMAGE"), image_of("POD_DRIFT_IMAGE")
    folder: Path = tmp_path_factory.mktemp("production")
    keys = folder / "api_keys"
    scorer, operator = add_key(keys, "caller", ["score"]), add_key(keys, "operator", ["operate"])
    manifests = overlay("production")
    ports = [free_port() for _ in range(4)]
    drift_url = f"http://127.0.0.1:{ports[3]}"
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        made = stack.enter_context(cluster(folder, ["loan-default-jobs", "loan-default-drift"]))
        made.add_secret(
            "loan-default",
            {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "DRIFT_KEY": "a-key-of-the-drift-monitor"},
        )
        made.add_secret("loan-default-keys", {"api_keys": keys.read_text()}, mounted=True)

        def start(workload: str, instance: str, changes: Changes) -> Pod:
            return stack.enter_context(made.running(manifests, workload, instance, changes))

        monitor = start("loan-default-drift", "drift", Changes.of(drift_image, "drift-monitor", ports[3]))
        api = [
            start("loan-default-api", f"api-{n}", Changes.of(image, "api", ports[n], DRIFT_URL=drift_url, **SETTINGS))
            for n in (0, 1)
        ]
        words = {"9100": str(ports[2])}
        worker = start("loan-default-job-worker", "worker", Changes(image, "job-worker", ports[2], {}, words))
        for pod in (*api, monitor):
            wait_for(lambda: pod.answers("/readyz"), START_S)  # noqa: B023  # called at once
        wait_for(lambda: worker.answers("/metrics"), START_S)
        yield Production((api[0], api[1]), worker, monitor, scorer, operator, postgres)


def test_keys_are_those_of_the_secret_with_their_scopes(production: Production) -> None:
    for n in (0, 1):
        with production.call(n, production.scorer) as client:
            assert client.post("/api/v1/predict", json=APPLICANT).status_code == 200
            assert client.get("/api/v1/drift").status_code == 403
        with production.call(n, "none-of-ours") as client:
            assert client.post("/api/v1/predict", json=APPLICANT).status_code == 403


def test_a_decision_of_one_pod_is_in_the_database_of_all(production: Production) -> None:
    with production.call(0, production.scorer) as client:
        decision = client.post("/api/v1/predict", json=APPLICANT).json()["data"]["decision_id"]

    def found() -> bool:
        said = production.worker.run("sh", "-c", f"python -m loan_default.cli decision {decision} --json || true")
        return decision in said

    wait_for(found, 60)


def test_a_job_of_one_pod_is_worked_on_by_the_worker_and_read_from_the_other_pod(production: Production) -> None:
    with production.call(0, production.scorer) as first, production.call(1, production.scorer) as second:
        sent = first.post(FILE, files={"file": ("portfolio.csv", csv(ROWS))})
        assert sent.status_code == 202, sent.text
        job = f"{BATCH}/{sent.json()['job_id']}"
        wait_for(lambda: second.get(job).json()["status"] not in ("PENDING", "PROGRESS"), 90)
        assert second.get(job).json()["status"] == "SUCCESS"
        assert len(second.get(f"{job}/results", params={"format": "csv"}).text.splitlines()) == ROWS + 1
    assert 'loan_jobs_finished_total{outcome="success"} 1.0' in httpx.get(f"{production.worker.url}/metrics").text


def test_the_monitor_hears_of_the_predictions_of_each(production: Production) -> None:
    def samples() -> float:
        page = httpx.get(f"{production.monitor.url}/metrics", timeout=10).text
        return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith("loan_drift_samples_total"))

    for n in (0, 1):
        before = samples()

        # What is on its way to a busy monitor may be dropped, by design.
        def one_more_arrives(n: int = n, before: float = before) -> bool:
            with production.call(n, production.scorer) as client:
                assert client.post("/api/v1/predict", json=APPLICANT).status_code == 200
            time.sleep(2)
            return samples() > before

        wait_for(one_more_arrives, 60)
    told = []
    for n in (0, 1):
        with production.call(n, production.operator) as client:
            told.append(client.get("/api/v1/drift").json()["data"]["model_tag"])
    assert told[0] is not None
    assert told[0] == told[1]


def test_both_pods_count_one_rate_limit(production: Production) -> None:
    answers = []
    with production.call(0, production.scorer) as first, production.call(1, production.scorer) as second:
        for _ in range(LIMIT):
            answers += [client.post("/api/v1/predict", json=APPLICANT).status_code for client in (first, second)]
    # Alone, each would have let all of its half pass.
    assert answers.count(429) >= LIMIT // 2
    assert answers[-2:] == [429, 429]


def test_a_pod_that_is_told_to_go_goes_in_good_order(production: Production) -> None:
    grace_s = int(overlay("production").workloads[0].pod["terminationGracePeriodSeconds"])
    assert production.api[0].stop(grace_s) == 0
    assert production.api[1].answers("/readyz")
    assert production.worker.stop(60) == 0
