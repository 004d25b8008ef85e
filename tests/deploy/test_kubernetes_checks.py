"""Each check of the manifests sees what it is for: one thing is broken, and it is named."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rendered import IN_AN_OBJECT_STORE, OVERLAYS, overlay, rendered_copy

from k8s.checks import environment, network, paths, references, room, timing
from k8s.checks.manifests import Document, Manifests, quantity
from k8s.checks.render import read

API = "Deployment/loan-default-api"
WORKER = "Deployment/loan-default-job-worker"
DRIFT = "Deployment/loan-default-drift"
MLFLOW = "Deployment/loan-default-mlflow"
POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
GONE = object()

Check = Callable[[Manifests], list[str]]


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize(
    "check", [references, environment, paths, network, timing, room], ids=lambda check: check.__name__
)
def test_nothing_is_wrong_with_ours(check: Any, name: str) -> None:
    assert check.problems(overlay(name)) == []


def found(manifests: Manifests, title: str) -> Document:
    kind, _, name = title.partition("/")
    for document in manifests.of(kind):
        if document["metadata"]["name"] == name or (
            kind == "ConfigMap" and re.fullmatch(rf"{name}-\w{{10}}", document["metadata"]["name"])  # kustomize's hash
        ):
            return document
    raise AssertionError(f"there is no {title} to break")


def put(manifests: Manifests, title: str, path: str, value: object) -> None:
    """Set a value deep in an object, or remove it; the way there must exist, or nothing would be broken."""
    here: Any = found(manifests, title)
    *way, last = [int(step) if step.isdigit() else step.replace("~", ".") for step in path.split(".")]
    for step in way:
        here = here[step]
    if value is GONE:
        del here[last]
    elif isinstance(here, list) and last == len(here):
        here.append(value)
    else:
        here[last] = value


def variable(manifests: Manifests, title: str, name: str) -> str:
    """The path of a variable of a workload's first container."""
    container = found(manifests, title)["spec"]["template"]["spec"]["containers"][0]
    return f"{CONTAINER}.env.{[entry['name'] for entry in container['env']].index(name)}"


REFERENCES = [
    (API, "spec.selector.matchLabels", {"app.kubernetes.io/name": "loan-default"}, "must take its own alone"),
    (API, f"{POD}.serviceAccountName", "default", "no ServiceAccount default"),
    (API, f"{POD}.topologySpreadConstraints.0.labelSelector", {"matchLabels": {"a": "b"}}, "count the pods of others"),
    (API, "spec.template.metadata.annotations.prometheus~io/port", "9100", "prometheus.io/port 9100 is no port"),
    (API, f"{CONTAINER}.readinessProbe.httpGet.port", "web", "readinessProbe asks port web"),
    (API, f"{CONTAINER}.livenessProbe", GONE, "no livenessProbe"),
    (API, f"{CONTAINER}.envFrom.0.configMapRef.name", "loan-default", "no ConfigMap loan-default"),
    (API, f"{POD}.volumes.3.persistentVolumeClaim.claimName", "jobs", "no PersistentVolumeClaim jobs"),
    (API, f"{CONTAINER}.volumeMounts.0.name", "key", "no volume key to mount"),
    (API, f"{CONTAINER}.volumeMounts.0", GONE, "nothing mounts the volume keys"),
    (API, "spec.replicas", 3, "replicas is the autoscaler's"),
    (API, f"{CONTAINER}.resources.requests.cpu", GONE, "requests no cpu"),
    (MLFLOW, f"{POD}.volumes.1.configMap.items.0.key", "auth.ini", "has no auth.ini"),
    (MLFLOW, f"{CONTAINER}.env.0.valueFrom.configMapKeyRef.key", "NOTHING", "has no NOTHING"),
    (DRIFT, "spec.strategy", {"type": "RollingUpdate"}, "loan-default-drift is one pod's"),
    (
        "PersistentVolumeClaim/loan-default-jobs",
        "spec.accessModes",
        ["ReadWriteOnce"],
        "loan-default-jobs is one pod's",
    ),
    (
        "PersistentVolumeClaim/loan-default-jobs",
        "metadata.name",
        "other",
        "PersistentVolumeClaim/other: nobody uses it",
    ),
    ("Service/loan-default-api", "spec.selector.app~kubernetes~io/component", "web", "takes the pods of nobody"),
    ("Service/loan-default-api", "spec.ports.0.targetPort", 8080, "has no port 8080"),
    ("Service/loan-default-api", "metadata.namespace", "default", "namespace default is not among"),
    ("Service/loan-default-drift", "metadata.name", "loan-default-api", "Service/loan-default-api is there 2 times"),
    ("HorizontalPodAutoscaler/loan-default-api", "spec.scaleTargetRef.name", "api", "there is no api to scale"),
    ("HorizontalPodAutoscaler/loan-default-api", "spec.maxReplicas", 3, "less than maxReplicas"),
    ("PodDisruptionBudget/loan-default-api", "spec.selector.matchLabels", {"a": "b"}, "takes the pods of nobody"),
    ("PodDisruptionBudget/loan-default-api", "spec.minAvailable", 3, "no node can ever be emptied"),
    ("PodDisruptionBudget/loan-default-job-worker", "spec.maxUnavailable", 0, "no node can ever be emptied"),
    ("Ingress/loan-default", "spec.tls", [], "has no TLS"),
    ("Ingress/loan-default", "spec.rules.0.http.paths.0.backend.service.name", "api", "there is no Service api"),
    ("Ingress/loan-default", "spec.rules.0.http.paths.0.backend.service.port", {"number": 3000}, "has no port"),
]
ENVIRONMENT = [
    ("ConfigMap/loan-default", "data.SHUTDOWN_DELAY", "10", "SHUTDOWN_DELAY is no setting"),
    ("ConfigMap/loan-default", "data.SHUTDOWN_DELAY_S", "60", "SHUTDOWN_DELAY_S: Input should be less than"),
    ("ConfigMap/loan-default", "data.STATE_DIR", "/data", "no volume is mounted at /data"),
    ("ConfigMap/loan-default", "data.JOB_WORKER", "on", "bulk jobs belong to workers apart"),
    (API, f"{CONTAINER}.env.0.value", "/etc/keys", "no volume is mounted at /etc/keys"),
    (API, f"{CONTAINER}.env.0", GONE, "no API_KEYS_FILE: each pod would make a key of its own"),
    (API, f"{CONTAINER}.env.DATABASE_URL", GONE, "no DATABASE_URL"),
    (API, f"{CONTAINER}.env.REDIS_URL", GONE, "no REDIS_URL"),
    (API, f"{CONTAINER}.env.DRIFT_URL", GONE, "no DRIFT_URL"),
    (API, f"{CONTAINER}.env.DRIFT_URL.value", "loan-default-drift:3000", "DRIFT_URL: Value error, must be http://"),
    (API, f"{CONTAINER}.env.JOB_STORAGE_URL", GONE, "no JOB_STORAGE_URL"),
    (
        API,
        f"{CONTAINER}.env.DATABASE_URL",
        {"name": "DATABASE_URL", "value": "postgresql://a:b@c/d"},
        "belongs in a Secret",
    ),
    (API, f"{CONTAINER}.env.REDIS_URL.valueFrom.secretKeyRef.optional", True, "would start all the same"),
    (WORKER, f"{CONTAINER}.env.JOB_THREADS.value", "8", "JOB_THREADS is 8, its CPU limit 2"),
    (WORKER, f"{CONTAINER}.command", ["python"], "bulk jobs belong to workers apart"),
]
PATHS = [
    (API, f"{CONTAINER}.readinessProbe.httpGet.path", "/ready", "asks /ready, which it does not answer"),
    (API, f"{CONTAINER}.readinessProbe.httpGet.path", "/healthz", "must ask /readyz"),
    (API, f"{CONTAINER}.livenessProbe.httpGet.path", "/readyz", "a restart would not bring one"),
    (DRIFT, f"{CONTAINER}.readinessProbe.httpGet.path", "/health", "asks /health, which it does not answer"),
    (MLFLOW, f"{CONTAINER}.readinessProbe.httpGet.path", "/healthz", "asks /healthz, which it does not answer"),
    ("Ingress/loan-default", "spec.rules.0.http.paths.0.path", "/api/v2", "no rule leads to /api/v1/predict"),
    ("Ingress/loan-default", "spec.rules.0.http.paths.0.path", "/", "a rule leads strangers to /metrics"),
]
NETWORK = [
    ("NetworkPolicy/default-deny", "spec.policyTypes", ["Ingress"], "refuses all Egress"),
    ("NetworkPolicy/default-deny", "spec.ingress", [{}], "refuses all Ingress"),
    ("NetworkPolicy/dns", "spec.egress.0.ports.0.port", 54, "no policy lets it ask for names"),  # by UDP
    ("NetworkPolicy/dns", "spec.egress.0.ports.1", GONE, "no policy lets it ask for names"),  # by TCP
    ("NetworkPolicy/dns", "spec.egress", [], "no policy lets it ask for names"),
    (
        "NetworkPolicy/drift-monitor",
        "spec.podSelector.matchLabels.app~kubernetes~io/component",
        "drift",
        "nobody's pods",
    ),
    ("NetworkPolicy/drift-monitor", "spec.ingress.0.from.0.podSelector", {}, "which is not for it"),
    ("NetworkPolicy/drift-monitor", "spec.ingress.0.from.0", {"namespaceSelector": {}}, "strangers reach"),
    ("NetworkPolicy/drift-monitor", "spec.ingress.0.from", [], "ingress with the whole world"),
    ("NetworkPolicy/drift-monitor", "spec.ingress.0.ports", [], "ingress on every port"),
    ("NetworkPolicy/drift-monitor", "spec.ingress.0.ports.0.port", 3001, "reach Deployment/loan-default-drift:3000"),
    ("NetworkPolicy/drift-monitor", "spec.policyTypes", ["Egress"], "ingress is not among its policyTypes"),
    (
        "NetworkPolicy/to-drift-monitor",
        "spec.egress.0.ports.0.port",
        80,
        "reach Deployment/loan-default-drift:3000",
    ),
    (
        "NetworkPolicy/to-drift-monitor",
        "spec.egress.0.to.0.podSelector.matchLabels",
        {"a": "b"},
        "pods that there are not",
    ),
    ("NetworkPolicy/to-postgres", "spec.egress.0.ports.0.port", 5433, "port 5432, which DATABASE_URL needs"),
    ("NetworkPolicy/to-redis", "spec.policyTypes", ["Ingress"], "port 6379, which REDIS_URL needs"),
    ("NetworkPolicy/mlflow-to-postgres", "spec.egress.0.to", [], "egress with the whole world"),
    ("NetworkPolicy/metrics", "spec.ingress.0.ports.1.port", 9101, "nobody whom it protects listens on 9101"),
    ("NetworkPolicy/metrics", "spec.ingress.0.ports.1", GONE, "no policy lets anybody scrape port 9100"),
    ("NetworkPolicy/ingress-to-api", "spec.ingress.0.ports.0.port", 80, "no policy lets its controller reach"),
    (
        "NetworkPolicy/ingress-to-mlflow",
        "spec.ingress.0.from.0.namespaceSelector.matchLabels",
        {"kubernetes.io/metadata.name": "monitoring"},
        "no policy lets its controller reach",
    ),
    (API, f"{CONTAINER}.env.DRIFT_URL.value", "http://drift:3000", "names drift, which is no Service here"),
    (API, f"{CONTAINER}.env.DRIFT_URL.value", "http://loan-default-drift", "names port 80"),
]
TIMING = [
    (API, f"{POD}.terminationGracePeriodSeconds", 30, "killed after 30 s, and may need 27.0 s"),
    (API, f"{CONTAINER}.lifecycle", {"preStop": {"sleep": {"seconds": 15}}}, "may need 42.0 s"),
    (API, f"{CONTAINER}.readinessProbe.periodSeconds", 5, "11.0 s to see that it is not ready"),
    (API, f"{CONTAINER}.readinessProbe.failureThreshold", 5, "11.0 s to see that it is not ready"),
    ("ConfigMap/loan-default", "data.SHUTDOWN_DELAY_S", "5", "calls stop after 5.0 s, and it takes 5.0 s"),
    ("ConfigMap/loan-default", "data.SHUTDOWN_DELAY_S", "3", "before every proxy has heard"),
    ("ConfigMap/loan-default", "data.SHUTDOWN_DELAY_S", GONE, "calls stop after 3.0 s"),
    (API, "spec.strategy.rollingUpdate.maxUnavailable", 1, "maxUnavailable must be 0"),
    (API, "spec.strategy", {}, "maxUnavailable must be 0"),
    (API, "spec.strategy.rollingUpdate.maxSurge", 0, "no new pod is ever made"),
    (API, f"{CONTAINER}.startupProbe.failureThreshold", 3, "less than 60 s"),
    (API, f"{CONTAINER}.resources.requests.memory", "2Gi", "asks for 2Gi of memory, and may have 1Gi"),
    (API, f"{CONTAINER}.resources.requests.memory", GONE, "asks for None of memory"),
]
BROKEN = [
    *((references.problems, *case) for case in REFERENCES),
    *((environment.problems, *case) for case in ENVIRONMENT),
    *((paths.problems, *case) for case in PATHS),
    *((network.problems, *case) for case in NETWORK),
    *((timing.problems, *case) for case in TIMING),
]


@pytest.mark.parametrize(
    ("check", "title", "path", "value", "named"),
    BROKEN,
    ids=[f"{n}-{case[1]}-{case[4]}" for n, case in enumerate(BROKEN)],
)
def test_what_is_broken_is_named(check: Check, title: str, path: str, value: object, named: str) -> None:
    manifests = overlay("production")
    _, _, name = path.partition(".env.")
    if name and not name[0].isdigit():  # a variable by its name
        name, dot, rest = name.partition(".")
        path = variable(manifests, title, name) + dot + rest
    put(manifests, title, path, value)
    problems = check(manifests)
    assert any(named in problem for problem in problems), problems


def test_the_single_pod_may_not_lose_its_state() -> None:
    manifests = overlay("dev")
    put(manifests, API, f"{POD}.volumes.0", {"name": "state", "emptyDir": {}})
    assert environment.problems(manifests) == [f"{API}: its state is gone with its pod"]


def test_the_single_pod_may_not_become_two_on_one_state_folder() -> None:
    manifests = overlay("dev")
    put(manifests, API, "spec.replicas", 2)
    assert any("is one pod's" in problem for problem in references.problems(manifests))
    assert any("has several pods" in problem for problem in environment.problems(manifests))


@pytest.mark.parametrize(
    ("title", "path", "value", "named"),
    [
        ("ConfigMap/loan-default", "data.JOB_MAX_UPLOAD_MIB", GONE, "JOB_MAX_UPLOAD_MIB=4096 need 65536 MiB"),
        ("ConfigMap/loan-default", "data.JOB_MAX_UPLOAD_MIB", "641", "need 10256 MiB of /tmp"),
        ("ConfigMap/loan-default", "data.WORKERS", "2", "32 uploads"),
        (API, f"{POD}.volumes.1.emptyDir.sizeLimit", "5Gi", "evicted beyond 5Gi"),
        (API, f"{CONTAINER}.resources.limits.ephemeral-storage", "6Gi", "evicted beyond 6Gi"),
    ],
)
def test_uploads_to_an_object_store_must_fit_into_tmp(
    tmp_path: Path, title: str, path: str, value: object, named: str
) -> None:
    manifests = read(rendered_copy(tmp_path, IN_AN_OBJECT_STORE))
    assert room.problems(manifests) == []
    put(manifests, title, path, value)
    problems = room.problems(manifests)
    assert problems
    assert all(problem.startswith(API) for problem in problems)
    assert any(named in problem for problem in problems), problems


def test_what_bounds_no_pod_is_not_compared(tmp_path: Path) -> None:
    manifests = read(rendered_copy(tmp_path, IN_AN_OBJECT_STORE))
    put(manifests, "ConfigMap/loan-default", "data.JOB_MAX_UPLOAD_MIB", GONE)
    put(manifests, API, f"{POD}.volumes.1", {"name": "tmp", "ephemeral": {}})
    assert room.problems(manifests) == []


@pytest.mark.parametrize(
    ("text", "number"), [("500m", 0.5), ("2", 2), (2, 2), ("1Gi", 2**30), ("4M", 4e6), ("1.5Gi", 1.5 * 2**30)]
)
def test_quantities_are_read(text: str, number: float) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "much", "1 Gi", "1Q"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        quantity(text)
