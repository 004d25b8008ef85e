"""The overlay `dev` as it is rendered, run by `podman play kube`: the nearest thing to a cluster on one machine.

Podman takes the pod with its ConfigMap, volumes, user and security context. It knows no Services or policies, and asks
probes with curl, which the image has not: the tests ask the same paths themselves. The network is the machine's, where
sandboxes give none of its own, so the port is another one.
"""

import copy
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from decisions import wait_for
from handed_in import APPLICANT, BATCH, FILE, csv
from installation import free_port
from rendered import overlay

from k8s.checks.manifests import Document, Manifests

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# Named on purpose: an image of the same tag that happens to be stored may be older than the code.
IMAGE = os.environ.get("POD_IMAGE")
# A sandbox lets nobody raise these; Podman would try. They are no part of the manifests.
ULIMITS = '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n'
ROWS = 20_000


def podman(*arguments: str | Path, conf: Path | None = None, timeout_s: float = 120) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **({"CONTAINERS_CONF": str(conf)} if conf else {})}
    done = subprocess.run(
        ["podman", *arguments], env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout.strip()


def for_podman(manifests: Manifests, name: str, port: int) -> list[Document]:
    """The objects that Podman takes, under a name of their own; all that is changed stands here."""
    taken = [copy.deepcopy(d) for k in ("ConfigMap", "PersistentVolumeClaim", "Deployment") for d in manifests.of(k)]
    for document in taken:
        if document["kind"] == "PersistentVolumeClaim":
            document["metadata"]["name"] = f"{name}-state"
        if document["kind"] == "Deployment":
            document["metadata"]["name"] = name
            pod = document["spec"]["template"]["spec"]
            for container in pod["containers"]:
                for left_out in ("ports", "startupProbe", "livenessProbe", "readinessProbe"):
                    del container[left_out]
                container["image"] = IMAGE
                container["env"] = [*container["env"], {"name": "BENTOML_PORT", "value": str(port)}]
                for mount in container["volumeMounts"]:
                    mount["name"] = f"{name}-{mount['name']}"
            for volume in pod["volumes"]:
                volume["name"] = f"{name}-{volume['name']}"
                if "persistentVolumeClaim" in volume:
                    volume["persistentVolumeClaim"]["claimName"] = f"{name}-state"
    return taken


class Pod:
    """A pod that Podman made of a Deployment."""

    def __init__(self, name: str, port: int, conf: Path) -> None:
        self.name = f"{name}-pod-0"
        self.container = f"{self.name}-api"
        self.url = f"http://127.0.0.1:{port}"
        self._conf = conf

    def start(self) -> None:
        podman("pod", "start", self.name, conf=self._conf)

    def stop(self, grace_s: int) -> int:
        """End it as the kubelet does; its exit code."""
        podman("pod", "stop", "--time", str(grace_s), self.name, conf=self._conf)
        return int(podman("inspect", self.container, "--format", "{{.State.ExitCode}}"))

    def read(self, path: str) -> str:
        return podman("exec", self.container, "cat", path)

    def inspect(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(podman("inspect", self.container))
        return found[0]

    def is_ready(self) -> bool:
        try:
            return httpx.get(self.url + "/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def documents() -> Manifests:
    return overlay("dev")


@pytest.fixture(scope="module")
def pod(documents: Manifests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    if shutil.which("podman") is None:
        pytest.skip("Podman is not installed (Debian's package podman)")
    if IMAGE is None:
        pytest.skip("POD_IMAGE names no image; `make image` builds one and `make pod` runs this")
    name, port = f"loan-default-{secrets.token_hex(4)}", free_port()
    folder = tmp_path_factory.mktemp("pod")
    (folder / "containers.conf").write_text(ULIMITS)
    (folder / "dev.yaml").write_text(yaml.safe_dump_all(for_podman(documents, name, port)))
    running = Pod(name, port, folder / "containers.conf")
    try:
        podman("play", "kube", "--network", "host", folder / "dev.yaml", conf=folder / "containers.conf")
        wait_for(running.is_ready, 120)
        yield running
    finally:
        subprocess.run(["podman", "logs", running.container], check=False)
        subprocess.run(
            ["podman", "pod", "rm", "--force", "--time", "5", running.name], capture_output=True, check=False
        )
        subprocess.run(["podman", "volume", "rm", "--force", f"{name}-state"], capture_output=True, check=False)


@pytest.fixture(scope="module")
def client(pod: Pod) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": pod.read("/state/api_key").strip()}
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
    begun = time.monotonic()
    assert pod.stop(grace_s) == 0
    assert time.monotonic() - begun < grace_s
    pod.start()
    wait_for(pod.is_ready, 120)
    # The same key, because it is the same volume.
    assert client.get(f"{job}/results", params={"format": "csv"}).text == results
