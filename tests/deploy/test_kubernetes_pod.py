"""The overlay `dev` as it is rendered, in a pod of Podman's: it scores, works on a job, and finds its state again."""

from collections.abc import Iterator

import httpx
import pytest
from decisions import wait_for
from handed_in import APPLICANT, BATCH, FILE, csv
from installation import free_port
from pods import Changes, Pod, cluster, image_of
from rendered import overlay

from k8s.checks.manifests import Manifests

# Whoever starts several pods at once on two cores has to wait for them.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
START_S = 240

ROWS = 20_000


@pytest.fixture(scope="module")
def documents() -> Manifests:
    return overlay("dev")


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    changes = Changes.of(image_of("POD_IMAGE"), "api", free_port())
    folder = tmp_path_factory.mktemp("dev")
    with (
        cluster(folder, ["loan-default-state"]) as made,
        made.running(overlay("dev"), "loan-default-api", "dev", changes) as running,
    ):
        wait_for(lambda: running.answers("/readyz"), START_S)
        yield running


@pytest.fixture(scope="module")
def client(pod: Pod) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": pod.run("cat", "/state/api_key").strip()}
    with httpx.Client(base_url=pod.url, headers=headers, timeout=30) as client:
        yield client


def test_it_runs_as_hardened_as_the_manifest_says(pod: Pod) -> None:
    inspected = pod.inspect()
    host = inspected["HostConfig"]
    assert inspected["Config"]["User"].startswith("1034")
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    assert "no-new-privileges" in host["SecurityOpt"]
    assert inspected["EffectiveCaps"] in (None, [])
    assert host["Memory"] == 2 * 2**30
    written = [mount["Destination"] for mount in inspected["Mounts"] if mount["RW"]]
    assert sorted(written) == ["/state", "/tmp"]


def test_the_paths_of_its_probes_answer(pod: Pod, documents: Manifests) -> None:
    (container,) = documents.containers
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert httpx.get(pod.url + container.spec[kind]["httpGet"]["path"], timeout=5).status_code == 200
    assert "loan_model_info" in httpx.get(pod.url + "/metrics", timeout=5).text


def test_it_scores(client: httpx.Client) -> None:
    answer = client.post("/api/v1/predict", json=APPLICANT)
    assert answer.status_code == 200
    assert 0 < answer.json()["data"]["probability"] < 0.01
    assert client.post("/api/v1/predict", json=APPLICANT, headers={"X-API-Key": "wrong"}).status_code == 403


def test_a_bulk_job_is_finished_and_outlives_the_pod(pod: Pod, client: httpx.Client) -> None:
    sent = client.post(FILE, files={"file": ("portfolio.csv", csv(ROWS))})
    assert sent.status_code == 202, sent.text
    job = f"{BATCH}/{sent.json()['job_id']}"

    def status() -> str:
        return str(client.get(job).json()["status"])

    wait_for(lambda: status() not in ("PENDING", "PROGRESS"), 90)
    assert status() == "SUCCESS"
    results = client.get(f"{job}/results", params={"format": "csv"}).text
    assert len(results.splitlines()) == ROWS + 1

    grace_s = int(overlay("dev").workloads[0].pod["terminationGracePeriodSeconds"])
    assert pod.stop(grace_s) == 0  # 137, had it been killed when its time was over
    pod.start()
    wait_for(lambda: pod.answers("/readyz"), START_S)
    # The same key, because it is the same volume.
    assert client.get(f"{job}/results", params={"format": "csv"}).text == results
