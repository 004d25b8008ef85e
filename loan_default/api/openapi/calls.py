"""What each call takes, and what it answers when all is well: REST, BentoML's own face, operations."""

from collections.abc import Mapping

from loan_default.api.openapi.shapes import LIMITS, SAFE, Node, Shapes, answer, header

# Of (method, path).
Calls = dict[tuple[str, str], Node]

REQUEST_ID: Node = {
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
        "schema": {"type": "string", "pattern": SAFE},
    },
    REQUEST_ID,
]


def rest_calls(shapes: Shapes, example: Mapping[str, object]) -> Calls:
    """The calls under `/api/`."""
    scored = answer(
        200, "The applicant's probability of default and what follows from it.", shapes.success("Explained")
    )
    scored["headers"] |= LIMITS
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
            "requestBody": body(shapes.named("Applicant"), "The declaration's example", example),
            "responses": {"200": scored},
        },
        ("get", "/api/v1/model/info"): {
            "tags": ["REST"],
            "operationId": "model_info",
            "summary": "Which model answers",
            "parameters": [REQUEST_ID],
            "responses": {"200": answer(200, "The model that answers predictions.", info)},
        },
        ("post", "/api/v1/model/reload"): {
            "tags": ["REST"],
            "operationId": "model_reload",
            "summary": "Take up a newly promoted version",
            "description": "Needs a key with the scope `operate`. No call is interrupted; when the new version cannot "
            "take over, the present one goes on answering.",
            "parameters": [REQUEST_ID],
            "responses": {"200": answer(200, "The model that answers predictions from now on.", info)},
        },
        ("get", "/api/v1/drift"): {
            "tags": ["REST"],
            "operationId": "drift",
            "summary": "Whether the applicants have changed",
            "description": "Needs a key with the scope `operate`.",
            "parameters": [REQUEST_ID],
            "responses": {"200": answer(200, "The drift monitor's verdict.", shapes.success("Verdict"))},
        },
        ("get", "/api/v1/drift/report"): {
            "tags": ["REST"],
            "operationId": "drift_report",
            "summary": "The same as a page for people",
            "description": "Needs a key with the scope `operate`.",
            "parameters": [REQUEST_ID],
            "responses": {"200": answer(200, "A page that loads nothing.", {"type": "string"}, "text/html")},
        },
    }


def native_calls(shapes: Shapes, example: Mapping[str, object], most: int) -> Calls:
    """BentoML's own; `most` applicants in a list."""
    applications = {"type": "array", "items": shapes.named("Applicant"), "minItems": 1, "maxItems": most}
    request = {
        "type": "object",
        "required": ["applications"],
        "properties": {"applications": applications},
        "additionalProperties": False,
    }
    rows = {
        "type": "array",
        "items": {"anyOf": [shapes.named("Prediction"), shapes.named("Refusal")]},
        "maxItems": most,
    }
    scored = answer(200, "One answer for each applicant, in the same order.", {**rows, "minItems": 1})
    scored["headers"] |= LIMITS
    return {
        ("post", "/predict"): {
            "tags": ["BentoML"],
            "operationId": "native_predict",
            "summary": "Score a list of applicants",
            "description": f"1 to {most:,} applicants, scored together with those of other callers. An applicant who "
            "cannot be scored gets a refusal in the same place of the list; the others are scored.",
            "parameters": _CALLERS_HEADERS,
            "requestBody": body(request, "The declaration's example, alone in a list", {"applications": [example]}),
            "responses": {"200": scored},
        },
        ("get", "/schema.json"): _described("BentoML", "schema_json", "What BentoML's clients ask for first"),
        ("get", "/docs.json"): _described("BentoML", "docs_json", "BentoML's own document of its own face"),
    }


def operations(shapes: Shapes) -> Calls:
    """Probes, metrics, documentation."""
    alive = answer(200, "It does.", shapes.named("Alive"))
    ready = {
        "200": answer(200, "It is.", shapes.named("Ready")),
        "503": answer(503, "It is not, and why.", shapes.named("NotReady")),
    }
    metrics = answer(200, "Prometheus metrics of all workers.", {"type": "string"}, "text/plain")
    page = answer(200, "A page for people that shows this document.", {"type": "string"}, "text/html")
    moved = answer(307, "The page is at `/docs`.", None)
    moved["headers"]["Location"] = header("Location")
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
    parameters = [REQUEST_ID]
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
        "parameters": [REQUEST_ID],
        "responses": responses,
    }


def body(schema: Node, summary: str, example: object) -> Node:
    """A JSON body that a call needs."""
    content = {"schema": schema, "examples": {"declared": {"summary": summary, "value": example}}}
    return {"required": True, "content": {"application/json": content}}
