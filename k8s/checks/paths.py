"""Whether probes ask paths that the programs answer, and the Ingress leads to every call that is meant for callers."""

from collections.abc import Iterator

from k8s.checks.manifests import Container, Manifests, title
from loan_default.api.bulk.routes import BATCH_CALLS, TASK_CALLS
from loan_default.api.docs_page import OPEN_DOCS_PATHS
from loan_default.api.layers import SCOPES_OF_PATHS
from loan_default.api.rest import REST_PATHS

# The cluster's own: no caller needs them, and they tell strangers what nobody else does.
PRIVATE = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})
# BentoML's own server, of which the drift monitor is one; and MLflow's.
_BENTOML = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})
_MLFLOW = frozenset({"/health"})
_WORKER = frozenset({"/metrics"})

_API = "loan_default"


def problems(manifests: Manifests) -> list[str]:
    """Paths that nobody answers, calls that nobody can reach, and calls that everybody can."""
    found = [problem for container in manifests.containers for problem in _probes(container)]
    return found + list(_ingress(manifests))


def public_paths() -> set[str]:
    """Every path that callers may call, with `JOB` for the id of a job."""
    paths = {*REST_PATHS, *SCOPES_OF_PATHS, *BATCH_CALLS, *TASK_CALLS, *OPEN_DOCS_PATHS} - PRIVATE
    return {path.replace("{job_id}", "JOB") for path in paths}


def _probes(container: Container) -> Iterator[str]:
    answered = _answered(container)
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        path = container.spec.get(kind, {}).get("httpGet", {}).get("path")
        if path is not None and path not in answered:
            yield f"{container.title}: {kind} asks {path}, which it does not answer"
    if container.image == _API and answered != _WORKER:
        if container.spec["readinessProbe"]["httpGet"]["path"] != "/readyz":
            yield f"{container.title}: readinessProbe must ask /readyz, which fails first when the server stops"
        if container.spec["livenessProbe"]["httpGet"]["path"] == "/readyz":
            yield f"{container.title}: a server without a model is alive; a restart would not bring one"


def _answered(container: Container) -> frozenset[str]:
    if container.image == "loan_default_training":
        return _MLFLOW
    if "worker" in container.spec.get("command", []):
        return _WORKER
    return frozenset(REST_PATHS) if container.image == _API else _BENTOML


def _ingress(manifests: Manifests) -> Iterator[str]:
    ingresses = [found for found in manifests.of("Ingress") if _of_the_api(manifests, found)]
    rules = [
        (path["path"], path["pathType"])
        for ingress in ingresses
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]
    if not ingresses:
        return
    name = title(ingresses[0])
    for path in sorted(public_paths()):
        if not any(_leads(rule, kind, path) for rule, kind in rules):
            yield f"{name}: no rule leads to {path}"
    for path in sorted(PRIVATE):
        if any(_leads(rule, kind, path) for rule, kind in rules):
            yield f"{name}: a rule leads strangers to {path}"


def _of_the_api(manifests: Manifests, ingress: dict[str, object]) -> bool:
    names = {path["backend"]["service"]["name"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]}  # type: ignore[index]
    services = [service for name in names if (service := manifests.find("Service", name))]
    taken = [
        found for service in services for found in manifests.selected({"matchLabels": service["spec"]["selector"]})
    ]
    return any(container.image == _API for workload in taken for container in workload.containers)


def _leads(rule: str, kind: str, path: str) -> bool:
    if kind == "Exact":
        return path == rule
    return path == rule or path.startswith(rule.rstrip("/") + "/")
