"""Workloads of rendered overlays as pods of Podman: the nearest thing to a cluster on one machine.

Podman takes a pod with its ConfigMaps, Secrets, volumes, user and security context. It knows no Services or policies,
and asks probes with curl, which the images have not: tests ask the same paths themselves. The network is the machine's,
as sandboxes give none of its own, so each pod gets a port. Volumes are made to belong to the pods' group, since Podman
knows no fsGroup. What is changed of a manifest stands in `for_podman`.
"""

import base64
import copy
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from k8s.checks.manifests import Document, Manifests, Workload

# A sandbox lets nobody raise these; Podman would try. They are no part of the manifests.
_ULIMITS = '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]\n'


def image_of(variable: str) -> str:
    """The image that a variable names; skips the test when it names none.

    Named on purpose: an image of the same tag that happens to be stored may be older than the code.
    """
    if shutil.which("podman") is None:
        pytest.skip("Podman is not installed (Debian's package podman)")
    image = os.environ.get(variable)
    if image is None:
        pytest.skip(f"{variable} names no image; `make image` builds it and `make pod` runs this")
    return image


@dataclass(frozen=True)
class Cluster:
    """A folder, and a name that all of its pods, volumes and secrets begin with."""

    folder: Path
    name: str

    def podman(self, *arguments: str | Path, timeout_s: float = 120) -> str:
        """What Podman prints; a failure fails the test."""
        environment = {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}
        done = subprocess.run(
            ["podman", *arguments], env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout.strip()

    def quietly(self, *arguments: str) -> None:
        """Clean up: what is not there any more is no failure."""
        subprocess.run(["podman", *arguments], capture_output=True, check=False, timeout=120)

    def add_volume(self, claim: str) -> None:
        """A PersistentVolumeClaim's volume, made as Podman makes it of one, that several pods may mount."""
        self.podman("volume", "create", "--opt", "o=uid=1034,gid=1034", f"{self.name}-{claim}")

    def add_secret(self, name: str, values: Mapping[str, str], *, mounted: bool = False) -> None:
        """A Secret, as Podman 4.3 wants it: base64 in a plain object for variables, a manifest with text to mount."""
        plain = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": dict(values)}
        path = self.folder / f"secret-{name}.json"
        path.write_text(json.dumps(manifest if mounted else plain))
        self.podman("secret", "create", f"{self.name}-{name}", path)

    @contextmanager
    def running(self, manifests: Manifests, workload: str, instance: str, changes: "Changes") -> Iterator["Pod"]:
        """A pod of a workload, for the block; `instance` tells several apart."""
        documents = self.for_podman(manifests, workload, instance, changes)
        path = self.folder / f"{instance}.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        pod = Pod(self, f"{self.name}-{instance}-pod-0", changes.container, changes.port)
        try:
            self.podman("play", "kube", "--network", "host", path)
            yield pod
        finally:
            (self.folder / f"{instance}.log").write_text(pod.log())
            self.quietly("pod", "rm", "--force", "--time", "5", pod.name)

    def for_podman(self, manifests: Manifests, workload: str, instance: str, changes: "Changes") -> list[Document]:
        """The objects that Podman takes."""
        found = next(found for found in manifests.workloads if found.name == workload)
        deployment = Workload(copy.deepcopy(found.document))
        deployment.document["metadata"]["name"] = f"{self.name}-{instance}"
        deployment.document["spec"]["replicas"] = 1
        for container in deployment.pod["containers"]:
            for left_out in ("ports", "startupProbe", "livenessProbe", "readinessProbe"):
                del container[left_out]
            container["image"] = changes.image
            container["env"] = self._variables(container, changes.variables)
            container["command"] = [changes.words.get(word, word) for word in container.get("command", [])]
            for mount in container["volumeMounts"]:
                mount["name"] = f"{self.name}-{instance}-{mount['name']}"
            container["args"] = [changes.words.get(word, word) for word in container.get("args", [])]
        for volume in deployment.pod["volumes"]:
            volume["name"] = f"{self.name}-{instance}-{volume['name']}"
            if "persistentVolumeClaim" in volume:
                volume["persistentVolumeClaim"]["claimName"] = (
                    f"{self.name}-{volume['persistentVolumeClaim']['claimName']}"
                )
            if "secret" in volume:
                volume["secret"]["secretName"] = f"{self.name}-{volume['secret']['secretName']}"
                volume["secret"]["optional"] = False  # the default, without which Podman 4.3 breaks
        settings = copy.deepcopy(manifests.of("ConfigMap"))
        for name in changes.variables:  # Podman 4.3 lets a ConfigMap win over a variable, Kubernetes does not
            for document in settings:
                document["data"].pop(name, None)
        return [*settings, deployment.document]

    def _variables(self, container: Document, changed: Mapping[str, str]) -> list[Document]:
        variables: list[Document] = [entry for entry in container["env"] if entry["name"] not in changed]
        for entry in variables:
            if "secretKeyRef" in entry.get("valueFrom", {}):
                reference = entry["valueFrom"]["secretKeyRef"]
                reference["name"] = f"{self.name}-{reference['name']}"
        return variables + [{"name": name, "value": value} for name, value in changed.items()]


@dataclass(frozen=True)
class Changes:
    """What a pod must have otherwise than its manifest says: image, port, addresses, words of its command."""

    image: str
    container: str
    port: int
    variables: Mapping[str, str]
    words: Mapping[str, str]

    @classmethod
    def of(
        cls, image: str, container: str, port: int, words: Mapping[str, str] | None = None, **more: str
    ) -> "Changes":
        """Those of a server of BentoML's, whose port is a variable."""
        return cls(image, container, port, {"BENTOML_PORT": str(port), **more}, words or {})


class Pod:
    """A pod that Podman made of a Deployment."""

    def __init__(self, cluster: Cluster, name: str, container: str, port: int) -> None:
        self.name = name
        self.container = f"{name}-{container}"
        self.url = f"http://127.0.0.1:{port}"
        self._cluster = cluster

    def start(self) -> None:
        """Start it again, on its volumes."""
        self._cluster.podman("pod", "start", self.name)

    def stop(self, grace_s: int) -> int:
        """End it as the kubelet does; its exit code."""
        self._cluster.podman("pod", "stop", "--time", str(grace_s), self.name)
        return int(self._cluster.podman("inspect", self.container, "--format", "{{.State.ExitCode}}"))

    def run(self, *command: str) -> str:
        """What a command inside of it prints."""
        return self._cluster.podman("exec", self.container, *command)

    def inspect(self) -> dict[str, Any]:
        """How Podman runs its container."""
        found: list[dict[str, Any]] = json.loads(self._cluster.podman("inspect", self.container))
        return found[0]

    def log(self) -> str:
        """What it has said."""
        done = subprocess.run(["podman", "logs", self.container], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def answers(self, path: str) -> bool:
        """Whether it says 200 to a call."""
        try:
            return httpx.get(self.url + path, timeout=2).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def cluster(folder: Path, claims: list[str]) -> Iterator[Cluster]:
    """A place for pods, with volumes, that leaves nothing behind."""
    made = Cluster(folder, f"test-{secrets.token_hex(4)}")
    (folder / "containers.conf").write_text(_ULIMITS)
    with ExitStack() as undo:
        for claim in claims:
            made.add_volume(claim)
            undo.callback(made.quietly, "volume", "rm", "--force", f"{made.name}-{claim}")
        for name in ("loan-default", "loan-default-keys", "loan-default-mlflow"):
            undo.callback(made.quietly, "secret", "rm", f"{made.name}-{name}")
            undo.callback(made.quietly, "volume", "rm", "--force", f"{made.name}-{name}")  # where it was mounted from
        yield made
