"""What kustomize rendered, as objects to ask: by kind and name, workloads with their pods and containers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
Labels = Mapping[str, str]

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_QUANTITY = re.compile(r"([0-9.]+)([a-zA-Z]*)")


def title(document: Document) -> str:
    """How a problem names an object: `Deployment/loan-default-api`."""
    return f"{document['kind']}/{document['metadata']['name']}"


def quantity(text: str | float) -> float:
    """Kubernetes' `500m` or `1Gi` as a number.

    Raises:
        ValueError: it is no quantity.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text} is no quantity")
    return float(match[1]) * _UNITS[match[2]]


@dataclass(frozen=True)
class Container:
    """A container of a workload's pods."""

    workload: str
    spec: Document

    @property
    def title(self) -> str:
        """How a problem names it."""
        return f"{self.workload}, container {self.spec['name']}"

    @property
    def image(self) -> str:
        """The image's name without registry and tag."""
        return str(self.spec["image"]).rpartition("/")[2].partition("@")[0].partition(":")[0]

    @property
    def ports(self) -> dict[str, int]:
        """Port numbers by their names."""
        return {port["name"]: int(port["containerPort"]) for port in self.spec.get("ports", [])}

    @property
    def mounts(self) -> list[str]:
        """The paths at which volumes are mounted."""
        return [mount["mountPath"] for mount in self.spec.get("volumeMounts", [])]

    def port(self, named: str | int) -> int | None:
        """The number of a port that is named or numbered; None when the container has no such port."""
        if isinstance(named, str) and not named.isdigit():
            return self.ports.get(named)
        return int(named) if int(named) in self.ports.values() else None


@dataclass(frozen=True)
class Workload:
    """A Deployment, or another object that makes pods."""

    document: Document

    @property
    def title(self) -> str:
        """How a problem names it."""
        return title(self.document)

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.document["metadata"]["name"])

    @property
    def spec(self) -> Document:
        """What it says of its pods together."""
        spec: Document = self.document["spec"]
        return spec

    @property
    def pod(self) -> Document:
        """The specification of its pods."""
        pod: Document = self.spec["template"]["spec"]
        return pod

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its pods."""
        labels: dict[str, str] = self.spec["template"]["metadata"].get("labels", {})
        return labels

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations of its pods."""
        annotations: dict[str, str] = self.spec["template"]["metadata"].get("annotations", {})
        return annotations

    @property
    def containers(self) -> list[Container]:
        """Its containers, those that prepare included."""
        return [Container(self.title, spec) for spec in [*self.pod.get("initContainers", []), *self.pod["containers"]]]

    @property
    def rolls(self) -> bool:
        """Whether a new version takes over from an old one while both run."""
        kind: str = self.spec.get("strategy", {}).get("type", "RollingUpdate")
        return kind == "RollingUpdate"

    def port(self, named: str | int) -> int | None:
        """The number of a port of any of its containers."""
        return next((number for container in self.containers if (number := container.port(named))), None)


class Manifests:
    """All objects of one rendered overlay."""

    def __init__(self, documents: list[Document]) -> None:
        self.documents = documents

    def of(self, kind: str) -> list[Document]:
        """The objects of a kind."""
        return [document for document in self.documents if document["kind"] == kind]

    def find(self, kind: str, name: str) -> Document | None:
        """One object; None when there is none."""
        return next((found for found in self.of(kind) if found["metadata"]["name"] == name), None)

    @property
    def workloads(self) -> list[Workload]:
        """Everything that makes pods."""
        return [Workload(document) for kind in _WORKLOADS for document in self.of(kind)]

    @property
    def containers(self) -> Iterator[Container]:
        """The containers of all workloads."""
        return (container for workload in self.workloads for container in workload.containers)

    def selected(self, selector: Document | None) -> list[Workload]:
        """The workloads whose pods a selector takes; an empty selector takes all."""
        return [workload for workload in self.workloads if matches(selector or {}, workload.labels)]

    def most_pods(self, workload: Workload) -> int:
        """How many pods of a workload there may be."""
        most = [
            int(scaler["spec"]["maxReplicas"])
            for scaler in self.of("HorizontalPodAutoscaler")
            if scaler["spec"]["scaleTargetRef"]["name"] == workload.name
        ]
        return max([*most, int(workload.spec.get("replicas", 1))])


def matches(selector: Document, labels: Labels) -> bool:
    """Whether labels are those of a selector (`matchLabels`, `matchExpressions` with In, NotIn, Exists)."""
    same = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return same and all(_meets(expression, labels) for expression in selector.get("matchExpressions", []))


def _meets(expression: Document, labels: Labels) -> bool:
    value, operator = labels.get(expression["key"]), expression["operator"]
    if operator == "In":
        return value in expression["values"]
    if operator == "NotIn":
        return value not in expression["values"]
    return (value is not None) == bool(operator == "Exists")
