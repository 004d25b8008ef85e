"""The documentation for people: a page that shows `/openapi.json` with Swagger UI, without internet.

BentoML ships Swagger UI and serves it under `/static_content/`. The page and the parts of Swagger UI it uses open
without a key, and there is nothing secret in them; the document itself needs one, which the person types in. BentoML's
own page at `/` calls a tracking service on the internet, so `/` leads here instead.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.api.envelope import render_error
from loan_default.errors import WrongMethod

_FOLDER = Path(__file__).with_name("page")
DOCUMENT_PATH = "/openapi.json"
# What a browser loads before there is a key. BentoML serves the last ones.
SWAGGER_UI = (
    "/static_content/swagger-ui.css",
    "/static_content/swagger-ui-bundle.js",
    "/static_content/favicon-light-32x32.png",
)
DOCS_PATHS = ("/", "/docs", "/docs/page.css", "/docs/page.js", DOCUMENT_PATH)

# What opens without a key: there is nothing of an applicant, a model or a caller in it.
OPEN_PAGES = frozenset({*DOCS_PATHS, *SWAGGER_UI} - {DOCUMENT_PATH})

# Nothing from elsewhere, nothing inline; `data:` is for the arrows in Swagger UI's own style sheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Each of our own files, and its type.
_FILES = {
    "/docs": ("docs.html", "text/html"),
    "/docs/page.css": ("page.css", "text/css"),
    "/docs/page.js": ("page.js", "text/javascript"),
}
_SAFE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Documentation:
    """ASGI middleware that answers the page, its parts and the document; everything else goes on.

    `document` makes the OpenAPI document. It is asked once: the request type of a running service does not change.
    """

    def __init__(self, app: ASGIApp, document: Callable[[], Mapping[str, Any]]) -> None:
        self._app = app
        self._document = document
        self._rendered: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        path = scope["path"] if scope["type"] == "http" else None
        if path in SWAGGER_UI:
            await self._app(scope, receive, _with_safe_headers(send))
        elif path not in DOCS_PATHS:
            await self._app(scope, receive, send)
        elif scope["method"] in {"GET", "HEAD"}:
            await self._answer(path)(scope, receive, send)
        else:
            await render_error(WrongMethod("GET"), scope, receive, send)

    def _answer(self, path: str) -> Response:
        if path == DOCUMENT_PATH:
            if self._rendered is None:
                self._rendered = json.dumps(self._document(), ensure_ascii=False).encode()
            return Response(self._rendered, media_type="application/json", headers={"Cache-Control": "no-store"})
        if path == "/":
            # Relative, so that it holds behind a proxy that adds a prefix.
            return Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": "docs"})
        name, media_type = _FILES[path]
        return Response((_FOLDER / name).read_bytes(), media_type=media_type, headers=_SAFE_HEADERS)


def _with_safe_headers(send: Send) -> Send:
    async def safe(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update({"X-Content-Type-Options": "nosniff"})
        await send(message)

    return safe
