"""The OpenAPI 3.1 document of both faces, made of the model's declaration and of the types of the answers.

    Described    the document of the model that answers now
    document     all of it, as JSON-ready dictionaries
    STATUSES     which statuses each call may answer with; what a call answers beyond them is a mistake

Codes of errors come from `errors.py`: a status lists every code that an error of that status has. 404 and 405 stand in
the components alone, because no call that is described here answers so.
"""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from loan_default import __version__
from loan_default.api.loaded import Prediction
from loan_default.api.models import Models
from loan_default.api.native import Detail, Refusal
from loan_default.errors import LoanDefaultError
from loan_default.schema import Schema

Node = dict[str, Any]
# Of (method, path).
Calls = dict[tuple[str, str], Node]

_SAFE = "^[A-Za-z0-9._:-]{1,64}$"
# What any call but those of probes may be answered with: it takes too long, the worker is busy, something is wrong.
_ANY = (408, 500, 503)
_KEY = (*_ANY, 401, 403, 429)
_BODY = (413, 415)

# (method, path): the statuses beside 200.
STATUSES: Mapping[tuple[str, str], tuple[int, ...]] = {
    ("post", "/api/v1/predict"): (*_KEY, *_BODY, 422),
    ("get", "/api/v1/model/info"): _KEY,
    ("post", "/api/v1/model/reload"): (*_KEY, 409),
    ("post", "/predict"): (*_KEY, *_BODY, 400),
    ("get", "/schema.json"): _KEY,
    ("get", "/docs.json"): _KEY,
    ("get", "/openapi.json"): _KEY,
    ("get", "/healthz"): (),
    ("get", "/livez"): (),
    ("get", "/readyz"): (503,),
    ("get", "/metrics"): (),
    ("get", "/"): _ANY,
    ("get", "/docs"): _ANY,
}

_SAID = {
    400: "The body is not a list of 1 to {most} applicants, or not JSON; or a header is not as described.",
    401: "No API key was sent.",
    403: "The API key is not valid here, or not for this call.",
    404: "There is no such call.",
    405: "The call does not take this method; `Allow` says which it takes.",
    408: "The call was not received and answered in time.",
    409: "The stage's model cannot take over, and why. The present one goes on answering.",
    413: "The body is larger than this call reads.",
    415: "The body is of a media type that this call does not read.",
    422: "Something in the request is not as declared; `details` names each field and what is allowed.",
    429: "Too many applicants for this key, or wrong keys from this address; `Retry-After` says when to come back.",
    500: "Something went wrong on the server; its log has the details under the request's id.",
    503: "No model is loaded, a record that must be kept cannot be, or there are too many calls at once.",
}

_TAGS = {
    "REST": "One envelope for answers, one for errors.",
    "BentoML": "What BentoML's own clients call: lists in, lists out, and BentoML's shape of errors.",
    "Operations": "For probes, Prometheus and people.",
}


class Described:
    """The document of what a worker answers with now, as JSON; made when asked for, and anew for other columns."""

    def __init__(self, models: Models, most: int) -> None:
        self._models = models
        self._most = most
        self._made: tuple[Schema, bytes] | None = None

    def __call__(self) -> bytes:
        """The document, UTF-8."""
        loaded = self._models.loaded
        schema = self._models.schema if loaded is None else loaded.model.schema
        applicant = self._models.applicant_model if loaded is None else loaded.applicant_model
        if self._made is None or self._made[0] is not schema:
            content = document(applicant, schema.example, self._most)
            self._made = schema, json.dumps(content, ensure_ascii=False).encode()
        return self._made[1]


def document(applicant: type[BaseModel], example: Mapping[str, object], most: int) -> Node:
    """The document.

    Args:
        applicant: the request type built from the declaration.
        example: the declaration's example applicant.
        most: the longest list that BentoML's face takes.
    """
    shapes = Shapes(applicant)
    calls = {**_rest_calls(shapes, example), **_native_calls(shapes, example, most), **_operations(shapes)}
    paths: Node = {}
    for (method, path), operation in calls.items():
        paths.setdefault(path, {})[method] = operation | {"responses": _answers(shapes, method, path, operation, most)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "loan-default",
            "version": __version__,
            "summary": "How likely is this applicant to default on the loan?",
            "description": "Calibrated probabilities of default. An unknown path is answered with 404 and a wrong "
            "method with 405, in the shape of errors of the face that was called: REST under `/api/`, BentoML's "
            "elsewhere. A body that names a field twice is refused like one with a wrong value, and so is an integer "
            "that is written with a decimal point or an exponent.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": ".", "description": "The server that this document comes from."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"ApiKey": []}, {"Bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "Bearer": {"type": "http", "scheme": "bearer", "description": "BentoML's clients send it: `token=`."},
            },
            "headers": _HEADERS,
            "responses": {"NotFound": shapes.failure(404), "MethodNotAllowed": shapes.failure(405)},
            "schemas": shapes.schemas,
        },
    }


class Shapes:
    """The named schemas, and how each face wraps them."""

    def __init__(self, applicant: type[BaseModel]) -> None:
        from loan_default.api import answers  # needs XGBoost, which the supervisor does without

        types: list[type[BaseModel]] = [
            applicant,
            answers.Explained,
            Prediction,
            Refusal,
            answers.ModelInfo,
        ]
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
    headers = {"X-Request-ID": _header("X-Request-ID")}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = _header("WWW-Authenticate")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _header("Allow")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers |= {"Retry-After": _header("Retry-After"), **_LIMITS}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = _header("Retry-After")
    said: Node = {"description": description, "headers": headers}
    return said if schema is None else said | {"content": {media_type: {"schema": schema}}}


def _answers(shapes: Shapes, method: str, path: str, operation: Node, most: int) -> Node:
    """What an operation says of its good answers, and the errors of its face."""
    found = dict(operation["responses"])
    for status in sorted(STATUSES[method, path]):
        if path.startswith("/api/"):
            found.setdefault(str(status), shapes.failure(status))
        else:
            found.setdefault(str(status), shapes.native_failure(status, most))
    return found


def _rest_calls(shapes: Shapes, example: Mapping[str, object]) -> Calls:
    scored = answer(
        200, "The applicant's probability of default and what follows from it.", shapes.success("Explained")
    )
    scored["headers"] |= _LIMITS
    info = shapes.success("ModelInfo")
    return {
        ("post", "/api/v1/predict"): {
            "tags": ["REST"],
            "operationId": "predict",
            "summary": "Score one applicant",
            "parameters": [
                {
                    "name": "reasons",
                    "in": "query",
                    "description": "Whether to say why. Any other value, or parameter, is refused.",
                    "schema": {"type": "boolean", "default": False},
                },
                *_CALLERS_HEADERS,
            ],
            "requestBody": _body(shapes.named("Applicant"), "The declaration's example", example),
            "responses": {"200": scored},
        },
        ("get", "/api/v1/model/info"): {
            "tags": ["REST"],
            "operationId": "model_info",
            "summary": "Which model answers",
            "parameters": [_REQUEST_ID],
            "responses": {"200": answer(200, "The model that answers predictions.", info)},
        },
        ("post", "/api/v1/model/reload"): {
            "tags": ["REST"],
            "operationId": "model_reload",
            "summary": "Take up a newly promoted version",
            "description": "Needs a key with the scope `operate`. No call is interrupted; when the new version cannot "
            "take over, the present one goes on answering.",
            "parameters": [_REQUEST_ID],
            "responses": {"200": answer(200, "The model that answers predictions from now on.", info)},
        },
    }


def _native_calls(shapes: Shapes, example: Mapping[str, object], most: int) -> Calls:
    applications = {"type": "array", "items": shapes.named("Applicant"), "minItems": 1, "maxItems": most}
    request = {"type": "object", "required": ["applications"], "properties": {"applications": applications}}
    rows = {
        "type": "array",
        "items": {"anyOf": [shapes.named("Prediction"), shapes.named("Refusal")]},
        "maxItems": most,
    }
    scored = answer(200, "One answer for each applicant, in the same order.", {**rows, "minItems": 1})
    scored["headers"] |= _LIMITS
    return {
        ("post", "/predict"): {
            "tags": ["BentoML"],
            "operationId": "native_predict",
            "summary": "Score a list of applicants",
            "description": f"1 to {most:,} applicants, scored together with those of other callers. An applicant who "
            "cannot be scored gets a refusal in the same place of the list; the others are scored.",
            "parameters": _CALLERS_HEADERS,
            "requestBody": _body(request, "The declaration's example, alone in a list", {"applications": [example]}),
            "responses": {"200": scored},
        },
        ("get", "/schema.json"): _described("BentoML", "schema_json", "What BentoML's clients ask for first"),
        ("get", "/docs.json"): _described("BentoML", "docs_json", "BentoML's own document of its own face"),
    }


def _operations(shapes: Shapes) -> Calls:
    alive = answer(200, "It does.", shapes.named("Alive"))
    ready = {
        "200": answer(200, "It is.", shapes.named("Ready")),
        "503": answer(503, "It is not, and why.", shapes.named("NotReady")),
    }
    metrics = answer(200, "Prometheus metrics of all workers.", {"type": "string"}, "text/plain")
    page = answer(200, "A page for people that shows this document.", {"type": "string"}, "text/html")
    moved = answer(307, "The page is at `/docs`.", None)
    moved["headers"]["Location"] = _header("Location")
    return {
        ("get", "/healthz"): _open("healthz", "Whether the process runs", {"200": alive}),
        ("get", "/livez"): _open("livez", "The same, by Kubernetes' name for it", {"200": alive}),
        ("get", "/readyz"): _open("readyz", "Whether a model is loaded", ready),
        ("get", "/metrics"): _open("metrics", "Metrics", {"200": metrics}),
        ("get", "/openapi.json"): _described("Operations", "openapi_json", "This document"),
        ("get", "/docs"): _open("docs", "This document as a page", {"200": page}),
        ("get", "/"): _open("root", "Leads to the page", {"307": moved}),
    }


def _open(name: str, summary: str, responses: Node) -> Node:
    """A call that needs no key."""
    parameters = [_REQUEST_ID]
    return {
        "tags": ["Operations"],
        "operationId": name,
        "summary": summary,
        "security": [],
        "parameters": parameters,
        "responses": responses,
    }


def _described(tag: str, name: str, summary: str) -> Node:
    """A call that answers with a description of calls."""
    responses = {"200": answer(200, "The description.", {"type": "object"})}
    return {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        "parameters": [_REQUEST_ID],
        "responses": responses,
    }


def _body(schema: Node, summary: str, example: object) -> Node:
    content = {"schema": schema, "examples": {"declared": {"summary": summary, "value": example}}}
    return {"required": True, "content": {"application/json": content}}


def _header(name: str) -> Node:
    return {"$ref": f"#/components/headers/{name}"}


def _errors(base: type[LoanDefaultError]) -> Iterator[type[LoanDefaultError]]:
    """Every error there is, the base included."""
    yield base
    for error in base.__subclasses__():
        yield from _errors(error)


_WHOLE = {"type": "integer", "minimum": 0}
_HEADERS: Node = {
    "X-Request-ID": {
        "description": "The request's id: yours when it is a sane one, otherwise a new one. The log has it too.",
        "required": True,
        "schema": {"type": "string", "pattern": _SAFE},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string"}},
    "Allow": {"required": True, "schema": {"type": "string"}},
    "Location": {"required": True, "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait. Left out when waiting does not help.", "schema": _WHOLE},
    "RateLimit-Limit": {"description": "Applicants that this key may have scored in a window.", "schema": _WHOLE},
    "RateLimit-Remaining": {"description": "How many of them are left.", "schema": _WHOLE},
    "RateLimit-Reset": {"description": "Seconds until there are more.", "schema": _WHOLE},
}
_LIMITS = {name: _header(name) for name in _HEADERS if name.startswith("RateLimit-")}
_REQUEST_ID: Node = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "An id of yours for this request; one that is not 1 to 64 of A-Z, a-z, 0-9, . _ : - is replaced.",
    "schema": {"type": "string"},
}
_CALLERS_HEADERS: list[Node] = [
    {
        "name": "X-Applicant-Reference",
        "in": "header",
        "description": "Your own reference of the applicant, for looking up and erasing decisions.",
        "schema": {"type": "string", "pattern": _SAFE},
    },
    _REQUEST_ID,
]
