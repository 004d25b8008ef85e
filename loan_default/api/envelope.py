"""How the service says things: one envelope for answers of the REST face, one for its errors.

{"success": true,  "data": {...}, "message": "..."}
{"success": false, "error": "code", "message": "...", "details": [...]}
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.types import Receive, Scope, Send

from loan_default.errors import LoanDefaultError

API_PREFIX = "/api/"

Header = tuple[bytes, bytes]

_encode = msgspec.json.Encoder().encode
_JSON: Header = (b"content-type", b"application/json")


class Answer:
    """A whole HTTP response, sent as it is: what `starlette.responses.Response` does, without what it can do more."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, body: bytes, status: int = HTTPStatus.OK, headers: Sequence[Header] = (_JSON,)) -> None:
        self.status = status
        self.body = body
        self.headers = [*headers, (b"content-length", b"%d" % len(body))]

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        body = b"" if scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


def json_answer(content: object, status: int = HTTPStatus.OK, headers: Sequence[Header] = ()) -> Answer:
    """An answer with `content` as JSON."""
    return Answer(_encode(content), status, [_JSON, *headers])


def success(data: Mapping[str, object] | msgspec.Raw, message: str, headers: Sequence[Header] = ()) -> Answer:
    """A 200 with `data`, JSON already when it is Raw."""
    return json_answer({"success": True, "data": data, "message": message}, headers=headers)


def refusal(error: LoanDefaultError, path: str) -> Answer:
    """`error` in the shape of the face that was called: our envelope, or BentoML's own (no 422) elsewhere."""
    if path.startswith(API_PREFIX):
        body = {"success": False, "error": error.code, "message": error.message, "details": error.details}
        return json_answer(body, error.status, encoded(error.headers))
    status = HTTPStatus.BAD_REQUEST if error.status == HTTPStatus.UNPROCESSABLE_ENTITY else error.status
    return json_answer({"error": error.message}, status, encoded(error.headers))


async def render_error(error: LoanDefaultError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with `error` in the shape of the face that was called."""
    await refusal(error, scope["path"])(scope, receive, send)


def encoded(headers: Mapping[str, str]) -> list[Header]:
    """Headers as ASGI wants them."""
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
