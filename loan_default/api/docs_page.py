"""The documentation for people: a page that shows `/openapi.json` with Swagger UI, without internet.

BentoML ships Swagger UI and serves it under `/static_content/`. The page and the parts of Swagger UI it uses open
without a key, and there is nothing secret in them; the document itself needs one, which the person types in. BentoML's
own page at `/` calls a tracking service on the internet, so `/` leads here instead.
"""

from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.api.call import require_method
from loan_default.api.envelope import Answer, encoded, refusal
from loan_default.errors import WrongMethod

_FOLDER = Path(__file__).with_name("page")
DOCUMENT_PATH = "/openapi.json"
# The parts of Swagger UI that the page uses; BentoML serves them.
SWAGGER_UI = (
    "/static_content/swagger-ui.css",
    "/static_content/swagger-ui-bundle.js",
    "/static_content/favicon-light-32x32.png",
)
# Each of our own files, and its type.
_FILES = {
    "/docs": ("docs.html", "text/html"),
    "/docs/page.css": ("page.css", "text/css"),
    "/docs/page.js": ("page.js", "text/javascript"),
}
PAGE_PATHS = ("/", *_FILES)
DOCS_PATHS = (*PAGE_PATHS, DOCUMENT_PATH)
# What a browser loads before there is a key.
OPEN_DOCS_PATHS = frozenset({*PAGE_PATHS, *SWAGGER_UI})

# Nothing from elsewhere, nothing inline; `data:` is for the arrows in Swagger UI's own style sheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DOCUMENT_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_SAFE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Documentation:
    """ASGI middleware that answers the page, its parts and the document; everything else goes on.

    `document` gives the OpenAPI document as JSON.
    """

    def __init__(self, app: ASGIApp, document: Callable[[], bytes]) -> None:
        self._app = app
        self._document = document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        path = scope["path"] if scope["type"] == "http" else None
        if path in SWAGGER_UI:
            await self._app(scope, receive, _with_safe_headers(send))
        elif path not in DOCS_PATHS:
            await self._app(scope, receive, send)
        else:
            try:
                require_method(scope["method"], "GET")
                answer = self._answer(path)
            except WrongMethod as error:
                answer = refusal(error, path)
            await answer(scope, receive, send)

    def _answer(self, path: str) -> Answer:
        if path == DOCUMENT_PATH:
            return Answer(self._document(), headers=encoded(_DOCUMENT_HEADERS))
        if path == "/":
            # Relative, so that it holds behind a proxy that adds a prefix.
            return Answer(b"", HTTPStatus.TEMPORARY_REDIRECT, [(b"location", b"docs")])
        return _file(path)


@cache  # strangers may ask for them as often as they like
def _file(path: str) -> Answer:
    name, media_type = _FILES[path]
    headers = {"Content-Type": f"{media_type}; charset=utf-8", **_SAFE_HEADERS}
    return Answer((_FOLDER / name).read_bytes(), headers=encoded(headers))


def _with_safe_headers(send: Send) -> Send:
    async def safe(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update({"X-Content-Type-Options": "nosniff"})
        await send(message)

    return safe
