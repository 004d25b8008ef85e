"""Whether what is sent fits where it waits: a pod whose /tmp grows beyond its limit is evicted, with all its calls.

Only an object store needs that room: files go to it as a whole, and are put together in /tmp before.
"""

from collections.abc import Iterator

from k8s.checks.environment import OURS, plain
from k8s.checks.manifests import Container, Document, Manifests, Workload, quantity
from loan_default.api.bulk.access import TRANSFERS_AT_ONCE
from loan_default.settings import Settings

_MIB = 2**20


def problems(manifests: Manifests) -> list[str]:
    """Pods that the portfolios they allow would fill."""
    return [problem for workload in manifests.workloads for problem in _uploads(manifests, workload)]


def _uploads(manifests: Manifests, workload: Workload) -> Iterator[str]:
    for container in workload.containers:
        if container.image != OURS[0] or "worker" in container.spec.get("command", []):
            continue
        values = plain(manifests, container)
        if values.get("JOB_STORAGE_URL", "/").startswith("/"):
            continue
        longest_mib = int(values.get("JOB_MAX_UPLOAD_MIB", Settings.model_fields["job_max_upload_mib"].default))
        processes = int(values.get("WORKERS", Settings.model_fields["workers"].default))
        needed_mib = longest_mib * TRANSFERS_AT_ONCE * processes
        for limit in _limits(workload, container):
            if needed_mib * _MIB > quantity(limit):
                yield (
                    f"{container.title}: {TRANSFERS_AT_ONCE * processes} uploads of JOB_MAX_UPLOAD_MIB={longest_mib} "
                    f"need {needed_mib} MiB of /tmp, and it is evicted beyond {limit}"
                )


def _limits(workload: Workload, container: Container) -> Iterator[str]:
    """What bounds a container's /tmp; nothing does when that is a volume other than the node's disk."""
    volume = _volume_at(workload, container, "/tmp")  # noqa: S108  # a path inside pods
    if volume is None or "emptyDir" not in volume:
        return
    limits = [volume["emptyDir"].get("sizeLimit"), container.spec["resources"]["limits"].get("ephemeral-storage")]
    yield from (str(limit) for limit in limits if limit is not None)


def _volume_at(workload: Workload, container: Container, path: str) -> Document | None:
    name = next((each["name"] for each in container.spec.get("volumeMounts", []) if each["mountPath"] == path), None)
    return next((each for each in workload.pod.get("volumes", []) if each["name"] == name), None)
