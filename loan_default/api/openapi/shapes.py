"""What answers are made of: the named schemas, how each face wraps them, its errors, the headers.

Codes of errors come from `errors.py`: a status lists every code that an error of that status has.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from loan_default.api.call import SAFE_NAME
from loan_default.api.loaded import Prediction
from loan_default.api.native import Detail, Refusal
from loan_default.drift_link.messages import Verdict
from loan_default.errors import LoanDefaultError

Node = dict[str, Any]

# What an id or a reference may be: nothing that could forge a line of a log.
SAFE = f"^{SAFE_NAME}$"

_SAID = {
    400: "The body, a header or a parameter is not as described (a list has 1 to {most} applicants); or a task is not "
    "completed yet.",
    401: "No API key was sent.",
    403: "The API key is not valid here, or not for this call.",
    404: "There is no such call, or no job of this id that this key may see.",
    405: "The call does not take this method; `Allow` says which it takes.",
    408: "The call was not received and answered in time.",
    409: "The call does not fit how things are: the stage's model cannot take over and the present one goes on "
    "answering, a job is not in a state for it, or an Idempotency-Key stands for something else.",
    413: "The body is larger than this call reads.",
    415: "The body is of a media type that this call does not read.",
    422: "Something in the request is not as declared; `details` names each field and what is allowed.",
    429: "Too many applicants or jobs for this key, or wrong keys from this address; `Retry-After` says when to come "
    "back.",
    500: "Something went wrong on the server; its log has the details under the request's id.",
    503: "No model is loaded, a record or job cannot be kept, the drift monitor does not answer, or there are too many "
    "calls at once.",
}


class Shapes:
    """The named schemas, and how each face wraps them."""

    def __init__(self, applicant: type[BaseModel]) -> None:
        from loan_default.api import answers  # needs XGBoost, which the supervisor does without
        from loan_default.bulk.summary import Summary

        types: list[type[BaseModel]] = [
            applicant,
            answers.Explained,
            Prediction,
            Refusal,
            answers.ModelInfo,
            Verdict,
        ]
        types += [answers.BatchJob, answers.BatchJobs, Summary, answers.Task]
        types += [Detail, answers.Alive, answers.Ready, answers.NotReady, answers.NativeError]
        _, made = models_json_schema(
            [(one, "validation") for one in types], ref_template="#/components/schemas/{model}"
        )
        self.schemas: Node = made["$defs"]
        self.schemas["Applicant"].pop("example", None)  # stands with the request, as OpenAPI 3.1 wants it

    def named(self, name: str) -> Node:
        """A reference to a schema."""
        return {"$ref": f"#/components/schemas/{name}"}

    def success(self, name: str) -> Node:
        """The REST face's envelope around one."""
        return {
            "type": "object",
            "required": ["success", "data", "message"],
            "properties": {
                "success": {"const": True},
                "data": self.named(name),
                "message": {"type": "string"},
            },
        }

    def failure(self, status: int) -> Node:
        """The REST face's answer with an error of this status."""
        codes = sorted({error.code for error in _errors(LoanDefaultError) if error.status == status})
        schema: Node = {
            "type": "object",
            "required": ["success", "error", "message", "details"],
            "properties": {
                "success": {"const": False},
                "error": {
                    "type": "string",
                    "description": "A code to switch on.",
                    **({"enum": codes} if codes else {}),
                },
                "message": {"type": "string", "description": "What is wrong, and what would be right."},
                "details": {"type": "array", "items": self.named("Detail")},
            },
        }
        return answer(status, _SAID[status], schema)

    def native_failure(self, status: int, most: int) -> Node:
        """BentoML's answer with an error of this status."""
        return answer(status, _SAID[status].format(most=f"{most:,}"), self.named("NativeError"))


def answer(status: int, description: str, schema: Node | None, media_type: str = "application/json") -> Node:
    """One answer of a call; `schema` None: it has no body."""
    headers = {"X-Request-ID": header("X-Request-ID")}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = header("WWW-Authenticate")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = header("Allow")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers |= {"Retry-After": header("Retry-After"), **LIMITS}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = header("Retry-After")
    said: Node = {"description": description, "headers": headers}
    return said if schema is None else said | {"content": {media_type: {"schema": schema}}}


def header(name: str) -> Node:
    """A reference to one of the described headers."""
    return {"$ref": f"#/components/headers/{name}"}


def _errors(base: type[LoanDefaultError]) -> Iterator[type[LoanDefaultError]]:
    """Every error there is, the base included."""
    yield base
    for error in base.__subclasses__():
        yield from _errors(error)


_WHOLE = {"type": "integer", "minimum": 0}
HEADERS: Node = {
    "X-Request-ID": {
        "description": "The request's id: yours when it is a sane one, otherwise a new one. The log has it too.",
        "required": True,
        "schema": {"type": "string", "pattern": SAFE},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string"}},
    "Allow": {"required": True, "schema": {"type": "string"}},
    "Content-Disposition": {"required": True, "schema": {"type": "string"}},
    "Location": {"required": True, "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait. Left out when waiting does not help.", "schema": _WHOLE},
    "RateLimit-Limit": {"description": "Applicants that this key may have scored in a window.", "schema": _WHOLE},
    "RateLimit-Remaining": {"description": "How many of them are left.", "schema": _WHOLE},
    "RateLimit-Reset": {"description": "Seconds until there are more.", "schema": _WHOLE},
}
LIMITS = {name: header(name) for name in HEADERS if name.startswith("RateLimit-")}
