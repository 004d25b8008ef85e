"""Puts our layers (see `layers.py`) in front of everything, BentoML's own middleware included.

BentoML adds an ASGI middleware behind some of its own, two of which cost more than a prediction: OpenTelemetry's, and a
timeout that makes a task and a timer of every request and leaves them alive until the timeout is over. So `Front`,
added in the ordinary way, moves our layers to the very outside once the application starts, by Starlette's public
`middleware_stack`. Where that does not happen (no start-up event), it answers from where it stands: slower, never
without asking for a key.
"""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

# Set in the scope of each call that our layers have seen.
_PASSED = "loan_default.passed"


class Front:
    """ASGI middleware; `wrap` puts our layers around an application."""

    def __init__(self, app: ASGIApp, wrap: Callable[[ASGIApp], ASGIApp]) -> None:
        self._app = app
        self._wrap = wrap
        self._layers: ASGIApp | None = None  # where we stand, made when it is needed: layers have state of their own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] == "lifespan":
            whole = scope["app"]
            whole.middleware_stack = self._wrap(_mark(whole.middleware_stack))
            await self._app(scope, receive, send)
        elif _PASSED in scope:
            await self._app(scope, receive, send)
        else:
            if self._layers is None:
                self._layers = self._wrap(_mark(self._app))
            await self._layers(scope, receive, send)


def _mark(app: ASGIApp) -> ASGIApp:
    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        scope[_PASSED] = True
        await app(scope, receive, send)

    return marked
