"""How the REST face says things: one envelope for answers, one for errors.

{"success": true,  "data": {...}, "message": "..."}
{"success": false, "error": "code", "message": "...", "details": [...]}
"""

from collections.abc import Mapping

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from loan_default.errors import LoanDefaultError

API_PREFIX = "/api/"


def success(data: Mapping[str, object], message: str) -> Response:
    """A 200 with `data`."""
    return JSONResponse({"success": True, "data": data, "message": message})


def failure(error: LoanDefaultError) -> Response:
    """The answer that says what went wrong."""
    body = {"success": False, "error": error.code, "message": error.message, "details": error.details}
    return JSONResponse(body, status_code=error.status, headers=error.headers)


async def render_error(error: LoanDefaultError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with `error` in the shape of the face that was called: our envelope, or BentoML's own elsewhere."""
    if scope["path"].startswith(API_PREFIX):
        response = failure(error)
    else:
        response = JSONResponse({"error": error.message}, status_code=error.status, headers=error.headers)
    await response(scope, receive, send)
