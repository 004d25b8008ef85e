"""Which calls reach BentoML's own router; the others are refused here, in BentoML's shape of errors.

BentoML's router would answer an unknown path or a wrong method in plain text.
"""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from loan_default.api.docs_page import SWAGGER_UI
from loan_default.api.envelope import render_error
from loan_default.errors import NoSuchCall, WrongMethod

# Every call of BentoML's own face, and the method it takes.
NATIVE_CALLS: Mapping[str, str] = {"/predict": "POST", "/schema.json": "GET", "/docs.json": "GET"}


class NativeCalls:
    """ASGI middleware in front of BentoML's router: lets its calls through, and the files of Swagger UI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._calls = {**NATIVE_CALLS, **dict.fromkeys(SWAGGER_UI, "GET")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        method = self._calls.get(scope["path"]) if scope["type"] == "http" else None
        if scope["type"] != "http" or (method and scope["method"] in {method, "HEAD" if method == "GET" else method}):
            await self._app(scope, receive, send)
        elif method:
            await render_error(WrongMethod(method), scope, receive, send)
        else:
            unknown = NoSuchCall("There is no such call; /openapi.json lists the calls there are.")
            await render_error(unknown, scope, receive, send)
