"""The paths of bulk jobs, on both faces. A template stands for all paths that differ in a job's id alone."""

from collections.abc import Mapping
from typing import NamedTuple

from loan_default.errors import WrongMethod

BATCH_PATH = "/api/v1/predict/batch"
FILE_PATH = f"{BATCH_PATH}/file"
JOB_PATH = f"{BATCH_PATH}/{{job_id}}"
TASK_PATH = "/score"

# The methods of each template of the REST face.
BATCH_CALLS: Mapping[str, tuple[str, ...]] = {
    BATCH_PATH: ("GET", "POST"),
    FILE_PATH: ("POST",),
    JOB_PATH: ("GET", "DELETE"),
    f"{JOB_PATH}/results": ("GET",),
    f"{JOB_PATH}/rejects": ("GET",),
    f"{JOB_PATH}/summary": ("GET",),
    f"{JOB_PATH}/retry": ("POST",),
}
# The verbs of BentoML's task, and the method of each.
TASK_CALLS: Mapping[str, str] = {
    f"{TASK_PATH}/submit": "POST",
    f"{TASK_PATH}/status": "GET",
    f"{TASK_PATH}/get": "GET",
    f"{TASK_PATH}/retry": "POST",
    f"{TASK_PATH}/cancel": "PUT",
}


class Route(NamedTuple):
    """A template, and the job that a path names; empty when it names none."""

    template: str
    job_id: str


def batch_route(path: str) -> Route | None:
    """The template of a path of the REST face; None when it is no call there is."""
    if path in BATCH_CALLS:
        return Route(path, "")
    job_id, slash, rest = path.removeprefix(f"{BATCH_PATH}/").partition("/")
    template = f"{JOB_PATH}{slash}{rest}"
    return Route(template, job_id) if job_id and template in BATCH_CALLS and path.startswith(BATCH_PATH) else None


def template_of(path: str) -> str | None:
    """What stands for a path of either face in metrics; None when it is none of a job's."""
    if path in TASK_CALLS:
        return path
    route = batch_route(path)
    return None if route is None else route.template


def require_method_of(method: str, allowed: tuple[str, ...]) -> None:
    """Raises WrongMethod unless a call has one of the methods of its path; HEAD goes where GET does."""
    if method not in allowed and not (method == "HEAD" and "GET" in allowed):
        raise WrongMethod(", ".join(allowed))
