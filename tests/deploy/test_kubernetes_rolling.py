"""Two API pods of the overlay `production` behind HAProxy: one after the other goes and comes, and no call fails.

It is what a rollout does to callers, with the manifests' own times, but for the cluster that would do it. Like a
Service, and unlike docs/deploy/haproxy.cfg, this HAProxy tries nothing twice: a refused connection is a failed call.
"""

import hashlib
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from decisions import wait_for
from engines import running_postgres
from installation import KEY, free_port
from load import Question, constant_load
from pods import Changes, Pod, cluster, image_of
from proxy import CONFIGURATION, haproxy, is_ready
from redis_engine import redis_server
from rendered import overlay

# Whoever starts several pods at once on two cores has to wait for them.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
START_S = 240

APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
QUESTIONS = [
    Question("/api/v1/predict", APPLICANT),
    Question("/predict", {"applications": [APPLICANT, APPLICANT]}),
]


def predictions(pod: Pod) -> float:
    page = httpx.get(f"{pod.url}/metrics", timeout=10).text
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith("loan_predictions_total{"))


def once_only(path: Path) -> Path:
    """The configuration of docs/deploy without second tries."""
    text = CONFIGURATION.read_text()
    for with_retries, without in (("retries 2", "retries 0"), ("option redispatch 1", "no option redispatch")):
        assert text.count(with_retries) == 1
        text = text.replace(with_retries, without)
    path.write_text(text)
    return path


def test_no_call_fails_while_each_pod_is_replaced(tmp_path: Path) -> None:
    image = image_of("POD_IMAGE")
    manifests = overlay("production")
    grace_s = int(
        next(w for w in manifests.workloads if w.name == "loan-default-api").pod["terminationGracePeriodSeconds"]
    )
    ports = [free_port(), free_port()]
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        redis = stack.enter_context(redis_server(tmp_path))
        made = stack.enter_context(cluster(tmp_path, ["loan-default-jobs"]))
        made.add_secret(
            "loan-default",
            {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "DRIFT_KEY": "a-key-of-the-drift-monitor"},
        )
        line = f"load score sha256:{hashlib.sha256(KEY.encode()).hexdigest()}\n"
        made.add_secret("loan-default-keys", {"api_keys": line}, mounted=True)
        changes = [Changes.of(image, "api", port, RATE_LIMIT_PER_MINUTE="0", DRIFT_MONITOR="off") for port in ports]
        pods = [
            stack.enter_context(made.running(manifests, "loan-default-api", f"api-{n}", changes[n])) for n in (0, 1)
        ]
        for pod in pods:
            wait_for(lambda: pod.answers("/readyz"), START_S)  # noqa: B023  # called at once
        servers = [f"127.0.0.1:{port}" for port in ports]
        proxy = stack.enter_context(haproxy(servers, tmp_path / "haproxy.log", once_only(tmp_path / "haproxy.cfg")))
        wait_for(lambda: is_ready(proxy), 20)
        with constant_load(proxy, QUESTIONS, callers=4) as load:
            for pod in pods:
                wait_for(lambda: predictions(pod) > 20, 60)  # noqa: B023  # called at once
                assert pod.stop(grace_s) == 0  # 137, had it been killed when its time was over
                pod.start()
                wait_for(lambda: pod.answers("/readyz") and predictions(pod) > 20, START_S)  # noqa: B023
        assert load.failures == []
        assert len(load.answers) > 500
