"""`GET /metrics` of a monitor that stands alone; beside online workers their page shows its metrics, too."""

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from loan_default import metrics


class MetricsPage:
    """ASGI middleware: answers that call, and hands on every other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] == "http" and (scope["path"], scope["method"]) == ("/metrics", "GET"):
            await Response(metrics.render(), media_type=metrics.CONTENT_TYPE)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
