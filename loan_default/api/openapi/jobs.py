"""What the calls of bulk jobs take, and what they answer when all is well: REST, and BentoML's task."""

from collections.abc import Mapping

from loan_default.api.bulk.listed import MOST_LISTED
from loan_default.api.bulk.routes import BATCH_PATH, FILE_PATH, JOB_PATH, TASK_PATH
from loan_default.api.openapi.calls import REQUEST_ID, Calls, body
from loan_default.api.openapi.shapes import SAFE, Node, Shapes, answer, header

_IDEMPOTENCY_KEY: Node = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A name of yours for this job: sent again with the same content, it gives the same job.",
    "schema": {"type": "string", "pattern": SAFE},
}
_HANDED_IN = [_IDEMPOTENCY_KEY, REQUEST_ID]
_REASONS: Node = {"type": "boolean", "default": False, "description": "Whether each declined row gets its reasons."}
_LIVE_DRIFT: Node = {
    "type": "boolean",
    "default": False,
    "description": "Whether a sample of the rows enters the drift monitor's live window.",
}
_OPTIONS: Node = {"reasons": _REASONS, "live_drift": _LIVE_DRIFT}
_FORMAT: Node = {
    "separator": {"enum": [",", ";", "|", "\t"], "description": "Of a CSV; found when it is not said."},
    "encoding": {"type": "string", "description": "Of a CSV, such as utf-8 or cp1252; found when it is not said."},
    "decimal": {"enum": [".", ","], "description": "The decimal mark of a CSV."},
}
_JOB_ID: Node = {
    "name": "job_id",
    "in": "path",
    "required": True,
    "description": "The job's id.",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
_TASK_ID: Node = {**_JOB_ID, "name": "task_id", "in": "query"}
_ROWS: Node = {"type": "array", "items": {"type": "object"}}
_TABLES = {"text/csv": {"type": "string"}, "application/vnd.apache.parquet": {"type": "string"}}


def batch_calls(shapes: Shapes, example: Mapping[str, object]) -> Calls:
    """The calls under `/api/v1/predict/batch`."""
    job = shapes.named("BatchJob")
    taken = {"202": answer(202, "The job: what was accepted is finished, whatever happens.", job)}
    shown = {"200": answer(200, "The job.", job)}
    fields = {"file": {"type": "string", "format": "binary"}, **_OPTIONS, **_FORMAT}
    named = {"uri": {"type": "string"}, **_OPTIONS, **_FORMAT}
    file = _object(named, "uri")
    limit = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
    form = _parameter("format", {"enum": ["json", "csv", "parquet"], "default": "json"})
    formulas = _parameter("formulas", {"enum": ["text", "keep"], "default": "text"})
    summary = shapes.success("Summary")
    return {
        ("post", BATCH_PATH): _call(
            "batch",
            f"Score a list of 1 to {MOST_LISTED:,} applicants",
            taken,
            [*(_parameter(name, schema) for name, schema in _OPTIONS.items()), *_HANDED_IN],
            body(
                _object({"predictions": _list(shapes)}, "predictions"),
                "The declaration's example, alone in a list",
                {"predictions": [example]},
            ),
            said="A row that cannot be scored is rejected with its number and reason; the others are scored.",
        ),
        ("get", BATCH_PATH): _call(
            "batch_list",
            "The latest jobs of this key; of all keys with the scope `operate`",
            {"200": answer(200, "The jobs.", shapes.named("BatchJobs"))},
            [_parameter("limit", limit), REQUEST_ID],
        ),
        ("post", FILE_PATH): _call(
            "batch_file",
            "Score a file: CSV, gzipped CSV or Parquet",
            taken,
            _HANDED_IN,
            {
                "required": True,
                "content": {
                    "multipart/form-data": {"schema": _object(fields, "file")},
                    "application/json": {"schema": file},
                },
            },
            said="Sent in a form, or named by its URI, which must be under a place that the operator allows. "
            "The options may stand in the query, too.",
        ),
        ("get", JOB_PATH): _call("batch_job", "How a job stands", shown, [_JOB_ID, REQUEST_ID]),
        ("delete", JOB_PATH): _call("batch_cancel", "Stop a job", shown, [_JOB_ID, REQUEST_ID]),
        ("get", f"{JOB_PATH}/results"): _call(
            "batch_results",
            "The scored rows of a finished job, in the portfolio's order",
            {"200": _file({"application/json": _ROWS, **_TABLES})},
            [_JOB_ID, form, formulas, REQUEST_ID],
            said="`formulas` is for a CSV: cells that a spreadsheet would run as formulas are marked as text by an "
            "apostrophe, or kept as they came.",
        ),
        ("get", f"{JOB_PATH}/rejects"): _call(
            "batch_rejects",
            "The rows of a finished job that could not be scored, and why",
            {"200": _file({"text/csv": {"type": "string"}})},
            [_JOB_ID, REQUEST_ID],
        ),
        ("get", f"{JOB_PATH}/summary"): _call(
            "batch_summary",
            "A finished job in figures",
            {"200": answer(200, "The figures.", summary)},
            [_JOB_ID, REQUEST_ID],
        ),
        ("post", f"{JOB_PATH}/retry"): _call(
            "batch_retry",
            "Let a job that failed or was cancelled go on where it stopped",
            {"202": taken["202"]},
            [_JOB_ID, REQUEST_ID],
        ),
    }


def task_calls(shapes: Shapes, example: Mapping[str, object]) -> Calls:
    """The verbs of BentoML's task."""
    task = {"200": answer(200, "The task.", shapes.named("Task"))}
    fields = {"portfolio": {"type": "string", "format": "binary"}, **_OPTIONS, **_FORMAT}
    listed = body(
        _object({"applications": _list(shapes), **_OPTIONS}, "applications"),
        "The declaration's example, alone in a list",
        {"applications": [example]},
    )
    listed["content"]["multipart/form-data"] = {"schema": _object(fields, "portfolio")}
    one = [_TASK_ID, REQUEST_ID]
    result = {"200": _file({"application/vnd.apache.parquet": {"type": "string"}})}
    return {
        ("post", f"{TASK_PATH}/submit"): _call("task_submit", "Hand in a portfolio", task, _HANDED_IN, listed),
        ("get", f"{TASK_PATH}/status"): _call("task_status", "How a task stands", task, one),
        ("get", f"{TASK_PATH}/get"): _call("task_get", "The scored rows of a completed task", result, one),
        ("post", f"{TASK_PATH}/retry"): _call("task_retry", "Let a failed or cancelled task go on", task, one),
        ("put", f"{TASK_PATH}/cancel"): _call("task_cancel", "Stop a task", task, one),
    }


def _call(  # noqa: PLR0913, PLR0917  # the parts of an operation
    name: str, summary: str, responses: Node, parameters: list[Node], request: Node | None = None, said: str = ""
) -> Node:
    call: Node = {
        "tags": ["BentoML" if name.startswith("task") else "Bulk"],
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": responses,
    }
    if said:
        call["description"] = said
    return call if request is None else call | {"requestBody": request}


def _parameter(name: str, schema: Node) -> Node:
    return {"name": name, "in": "query", "schema": schema}


def _object(properties: Node, required: str) -> Node:
    return {"type": "object", "required": [required], "properties": properties, "additionalProperties": False}


def _list(shapes: Shapes) -> Node:
    return {"type": "array", "items": shapes.named("Applicant"), "minItems": 1, "maxItems": MOST_LISTED}


def _file(content: Mapping[str, Node]) -> Node:
    """A file as an answer, in one of several media types."""
    said = answer(200, "The file.", None)
    said["headers"]["Content-Disposition"] = header("Content-Disposition")
    return said | {"content": {media_type: {"schema": schema} for media_type, schema in content.items()}}
