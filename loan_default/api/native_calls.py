"""Which calls reach BentoML's own router; the others are refused here, in BentoML's shape of errors.

BentoML's router would answer an unknown path or a wrong method in plain text.
"""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from loan_default.api.call import require_method
from loan_default.api.docs_page import SWAGGER_UI
from loan_default.api.envelope import refusal
from loan_default.errors import LoanDefaultError, NoSuchCall

# Every call of BentoML's own face, and the method it takes.
NATIVE_CALLS: Mapping[str, str] = {"/predict": "POST", "/schema.json": "GET", "/docs.json": "GET"}


class NativeCalls:
    """ASGI middleware in front of BentoML's router: lets its calls through, and the files of Swagger UI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._calls = {**NATIVE_CALLS, **dict.fromkeys(SWAGGER_UI, "GET")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        try:
            if scope["type"] == "http":
                self._require(scope["path"], scope["method"])
        except LoanDefaultError as error:
            await refusal(error, scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _require(self, path: str, method: str) -> None:
        if path not in self._calls:
            raise NoSuchCall
        require_method(method, self._calls[path])
