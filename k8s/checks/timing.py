"""Whether the numbers of a rolling update fit together: no cluster is needed to see that they do not.

That a server says it is not ready, goes on answering and ends in good order is tried with real servers behind HAProxy
(tests/e2e/test_stopping.py, test_rolling.py). What a cluster adds are the times in its manifests: compared here.
"""

from collections.abc import Iterator

from k8s.checks.environment import OURS, plain
from k8s.checks.manifests import Container, Document, Manifests, Workload, quantity
from loan_default.api.in_progress import CALL_SECONDS
from loan_default.settings import Settings

# docs/operations.md, "Stopping": who has not read its answer is not waited for, then waiting decisions are written.
_UNREAD_S = 2.0
_DECISIONS_S = 5.0
_MARGIN_S = 5.0
# Until every proxy of a cluster has heard that a pod is going.
_HEARD_S = 5.0
_START_AT_LEAST_S = 60


def problems(manifests: Manifests) -> list[str]:
    """Numbers that do not fit together."""
    found = [problem for workload in manifests.workloads for problem in _stopping(manifests, workload)]
    return found + [problem for container in manifests.containers for problem in _container(container)]


def notices_within_s(probe: Document) -> float:
    """Seconds after which a probe has surely seen that something fails."""
    return float(probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3) + probe.get("timeoutSeconds", 1))


def stops_within_s(shutdown_delay_s: float) -> float:
    """Seconds that a server may take from SIGTERM to its end."""
    return shutdown_delay_s + CALL_SECONDS + _UNREAD_S + _DECISIONS_S


def _stopping(manifests: Manifests, workload: Workload) -> Iterator[str]:
    for container in workload.containers:
        if container.image != OURS[0] or "worker" in container.spec.get("command", []):
            continue
        default = Settings.model_fields["shutdown_delay_s"].default
        delay = float(plain(manifests, container).get("SHUTDOWN_DELAY_S", default))
        grace = workload.pod.get("terminationGracePeriodSeconds", 30)
        hook = container.spec.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if grace < hook + stops_within_s(delay) + _MARGIN_S:
            yield f"{workload.title}: killed after {grace} s, and may need {hook + stops_within_s(delay)} s to stop"
        if workload.rolls:
            yield from _rolling(workload, container, delay)


def _rolling(workload: Workload, container: Container, delay: float) -> Iterator[str]:
    notices = notices_within_s(container.spec["readinessProbe"])
    if not notices < delay:
        yield f"{workload.title}: calls stop after {delay} s, and it takes {notices} s to see that it is not ready"
    if delay < _HEARD_S:
        yield f"{workload.title}: calls stop after {delay} s, before every proxy has heard of it"
    rolling = workload.spec.get("strategy", {}).get("rollingUpdate", {})
    if rolling.get("maxUnavailable", "25%") != 0:
        yield f"{workload.title}: maxUnavailable must be 0, or a rollout takes pods away before others are ready"
    if not rolling.get("maxSurge", 0):
        yield f"{workload.title}: with maxSurge 0 no new pod is ever made"


def _container(container: Container) -> Iterator[str]:
    start = container.spec.get("startupProbe")
    if start and start.get("periodSeconds", 10) * start.get("failureThreshold", 3) < _START_AT_LEAST_S:
        yield f"{container.title}: startupProbe gives it less than {_START_AT_LEAST_S} s"
    for name, limit in container.spec["resources"]["limits"].items():
        asked = container.spec["resources"]["requests"].get(name)
        if asked is None or quantity(asked) > quantity(limit):
            yield f"{container.title}: asks for {asked} of {name}, and may have {limit}"
