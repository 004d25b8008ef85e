"""Whether each variable is a setting, each value one that the settings allow, and each secret one that has an example.

Pods that are several must share what they keep: whether the settings see to that is checked here, too.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pydantic import ValidationError

from k8s.checks.manifests import Container, Manifests, Workload
from loan_default.settings import Settings

# The images that read `loan_default/settings.py`.
OURS = ("loan_default", "loan_default_drift")

# Variables of other programs, and whose they are.
OTHERS = {
    "FORWARDED_ALLOW_IPS": "uvicorn: whose X-Forwarded-For is believed",
    "AWS_ACCESS_KEY_ID": "the object store's client",
    "AWS_SECRET_ACCESS_KEY": "the object store's client",
    "AWS_REGION": "the object store's client",
    "AWS_ENDPOINT_URL": "the object store's client, for a store that is not Amazon's",
}
_OF_MLFLOW = "MLFLOW_"
# What several API pods must not each have of their own.
_SHARED = {
    "DATABASE_URL": "each pod would keep decisions and jobs of its own, and lose them",
    "REDIS_URL": "each pod would count the rate limit alone",
    "DRIFT_URL": "each pod would watch its own part of the applicants",
    "JOB_STORAGE_URL": "no worker would find the portfolio",
}


def problems(manifests: Manifests) -> list[str]:
    """Variables that are wrong, or are missing where several pods must share something."""
    found = [problem for container in manifests.containers for problem in _container(manifests, container)]
    return found + [problem for workload in manifests.workloads for problem in _shared(manifests, workload)]


def plain(manifests: Manifests, container: Container) -> dict[str, str]:
    """The variables of a container whose values are in the manifests."""
    values: dict[str, str] = {}
    for source in container.spec.get("envFrom", []):
        found = manifests.find("ConfigMap", source.get("configMapRef", {}).get("name", ""))
        values.update(found.get("data", {}) if found else {})
    for variable in container.spec.get("env", []):
        reference = variable.get("valueFrom", {}).get("configMapKeyRef")
        found = manifests.find("ConfigMap", reference["name"]) if reference else None
        value = variable.get("value") if found is None else found.get("data", {}).get(reference["key"])
        if value is not None:
            values[variable["name"]] = value
    return values


def secret(container: Container) -> dict[str, tuple[str, str]]:
    """The variables of a container whose values are in Secrets: the Secret's name and the key in it."""
    found = {}
    for variable in container.spec.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference:
            found[variable["name"]] = (reference["name"], reference["key"])
    return found


def _container(manifests: Manifests, container: Container) -> Iterator[str]:
    values = plain(manifests, container)
    for name in sorted({*values, *secret(container)}):
        known = name.lower() in Settings.model_fields or name in OTHERS
        if not known and not (name.startswith(_OF_MLFLOW) and container.image not in OURS):
            yield f"{container.title}: {name} is no setting that there is"
    for variable in container.spec.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
        if reference.get("optional"):
            yield f"{container.title}: without {variable['name']} it would start all the same, and do something else"
        name = variable["name"].upper()
        if "value" in variable and any(word in name for word in ("PASSWORD", "SECRET", "TOKEN", "DATABASE_URL")):
            yield f"{container.title}: {variable['name']} belongs in a Secret"
    if container.image in OURS:
        yield from _settings(container, values)


def _settings(container: Container, values: dict[str, str]) -> Iterator[str]:
    ours = {name.lower(): value for name, value in values.items() if name.lower() in Settings.model_fields}
    try:
        settings = Settings(_env_file=None, **ours)  # type: ignore[arg-type]  # text, as in an environment
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            yield f"{container.title}: {str(problem['loc'][0]).upper()}: {problem['msg']}"
        return
    places = [str(settings.state_dir)]
    places += [str(settings.api_keys_file)] if "api_keys_file" in ours else []
    places += [str(settings.job_storage_url)] if str(settings.job_storage_url).startswith("/") else []
    for place in places:
        if not _mounted(container, place):
            yield f"{container.title}: no volume is mounted at {place}, and its own files cannot be written to"
    cores = container.spec["resources"]["limits"].get("cpu")
    if "worker" in container.spec.get("command", []) and str(settings.job_threads) != str(cores):
        yield f"{container.title}: JOB_THREADS is {settings.job_threads}, its CPU limit {cores}"


def _mounted(container: Container, place: str) -> bool:
    return any(PurePosixPath(place).is_relative_to(mount) for mount in container.mounts)


def _shared(manifests: Manifests, workload: Workload) -> Iterator[str]:
    """What several pods must share, and one pod must keep."""
    serving = next(
        (c for c in workload.containers if c.image == OURS[0] and "worker" not in c.spec.get("command", [])), None
    )
    if serving is None:
        return
    has = {*plain(manifests, serving), *secret(serving)}
    if manifests.most_pods(workload) > 1 or workload.rolls:
        for name, otherwise in _SHARED.items():
            if name not in has:
                yield f"{workload.title} has several pods and no {name}: {otherwise}"
        if not has & {"API_KEY", "API_KEYS_FILE"}:
            yield f"{workload.title} has several pods and no API_KEYS_FILE: each pod would make a key of its own"
        if plain(manifests, serving).get("JOB_WORKER") != "off" or not _has_worker(manifests):
            yield f"{workload.title} has several pods: bulk jobs belong to workers apart (JOB_WORKER=off)"
    elif "DATABASE_URL" not in has and not _keeps(workload, serving):
        yield f"{workload.title}: its state is gone with its pod"


def _has_worker(manifests: Manifests) -> bool:
    return any("worker" in container.spec.get("command", []) for container in manifests.containers)


def _keeps(workload: Workload, container: Container) -> bool:
    kept = {volume["name"] for volume in workload.pod.get("volumes", []) if "persistentVolumeClaim" in volume}
    return any(mount["mountPath"] == "/state" and mount["name"] in kept for mount in container.spec["volumeMounts"])
