"""The document as a whole, and which statuses each call may answer with: what it answers beyond them is a mistake.

405 stands in the components alone, because no call that is described here answers so; 404 stands there too, for paths
that are no call.
"""

import json
from collections.abc import Mapping

from pydantic import BaseModel

from loan_default import __version__
from loan_default.api.bulk.routes import BATCH_PATH, FILE_PATH, JOB_PATH, TASK_PATH
from loan_default.api.models import Models
from loan_default.api.openapi.calls import native_calls, operations, rest_calls
from loan_default.api.openapi.jobs import batch_calls, task_calls
from loan_default.api.openapi.shapes import HEADERS, Node, Shapes
from loan_default.schema import Schema

# What any call but those of probes may be answered with: it takes too long, the worker is busy, something is wrong.
_ANY = (408, 500, 503)
_KEY = (*_ANY, 401, 403, 429)
_BODY = (413, 415)

# (method, path): the statuses beside 200.
STATUSES: Mapping[tuple[str, str], tuple[int, ...]] = {
    ("post", "/api/v1/predict"): (*_KEY, *_BODY, 422),
    ("get", "/api/v1/model/info"): _KEY,
    ("post", "/api/v1/model/reload"): (*_KEY, 409),
    ("get", "/api/v1/drift"): _KEY,
    ("get", "/api/v1/drift/report"): _KEY,
    ("post", "/predict"): (*_KEY, *_BODY, 400),
    ("get", BATCH_PATH): (*_KEY, 422),
    ("post", BATCH_PATH): (*_KEY, *_BODY, 409, 422),
    ("post", FILE_PATH): (*_KEY, *_BODY, 409, 422),
    ("get", JOB_PATH): (*_KEY, 404, 422),
    ("delete", JOB_PATH): (*_KEY, 404, 409, 422),
    ("get", f"{JOB_PATH}/results"): (*_KEY, 404, 409, 422),
    ("get", f"{JOB_PATH}/rejects"): (*_KEY, 404, 409, 422),
    ("get", f"{JOB_PATH}/summary"): (*_KEY, 404, 409, 422),
    ("post", f"{JOB_PATH}/retry"): (*_KEY, 404, 409, 422),
    ("post", f"{TASK_PATH}/submit"): (*_KEY, *_BODY, 400, 409),
    ("get", f"{TASK_PATH}/status"): (*_KEY, 400, 404),
    ("get", f"{TASK_PATH}/get"): (*_KEY, 400, 404, 409),
    ("post", f"{TASK_PATH}/retry"): (*_KEY, 400, 404, 409),
    ("put", f"{TASK_PATH}/cancel"): (*_KEY, 400, 404, 409),
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

_TAGS = {
    "REST": "One envelope for answers, one for errors.",
    "Bulk": "Whole portfolios: handed in, followed, fetched. A job belongs to the key that made it.",
    "BentoML": "What BentoML's own clients call: lists in, lists out, tasks, and BentoML's shape of errors.",
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
    calls = {
        **rest_calls(shapes, example),
        **batch_calls(shapes, example),
        **native_calls(shapes, example, most),
        **task_calls(shapes, example),
        **operations(shapes),
    }
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
            "headers": HEADERS,
            "responses": {"NotFound": shapes.failure(404), "MethodNotAllowed": shapes.failure(405)},
            "schemas": shapes.schemas,
        },
    }


def _answers(shapes: Shapes, method: str, path: str, operation: Node, most: int) -> Node:
    """What an operation says of its good answers, and the errors of its face."""
    found = dict(operation["responses"])
    for status in sorted(STATUSES[method, path]):
        if path.startswith("/api/"):
            found.setdefault(str(status), shapes.failure(status))
        else:
            found.setdefault(str(status), shapes.native_failure(status, most))
    return found
