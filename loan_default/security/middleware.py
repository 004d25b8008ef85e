"""The ASGI middleware that asks every call for a key before anything else happens.

A key comes as `X-API-Key: KEY` or `Authorization: Bearer KEY`. When both are sent, `X-API-Key` counts: a gateway may
use Authorization for itself. The holder of the key, a `Caller`, goes into the ASGI scope for what comes after.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from loan_default.errors import LoanDefaultError, MissingKey, MissingScope, TooManyAttempts, WrongKey
from loan_default.metrics import KEY_REFUSALS
from loan_default.security.attempts import FailedAttempts
from loan_default.security.caller import CALLER, KeyScope
from loan_default.security.keys import Keys

# What a probe or Prometheus asks for; nothing there is about an applicant.
OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})

_POLICY_VIOLATION = 1008
_HINT = "Send an API key as `X-API-Key: KEY` or `Authorization: Bearer KEY`."

ErrorRenderer = Callable[[LoanDefaultError, Scope, Receive, Send], Awaitable[None]]


class KeyRequired:
    """Lets a call through only with a valid key that has the scope its path needs.

    Args:
        app: what answers calls that are let through.
        keys: gives the keys that are valid now.
        render: answers the other calls.
        scopes: the scope that a path needs; None stands for any.
        scope_of_others: the same for a path that is not named there; `score` by default.
        open_paths: further paths that need no key.
        failed_per_minute: how many wrong keys an address may send within a minute; 0 switches the limit off.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # BentoML hands options on by name
        self,
        app: ASGIApp,
        keys: Callable[[], Keys],
        render: ErrorRenderer,
        scopes: Mapping[str, KeyScope | None] | None = None,
        scope_of_others: Callable[[str], KeyScope | None] = lambda _: "score",
        open_paths: Iterable[str] = (),
        failed_per_minute: int = 20,
    ) -> None:
        self._app = app
        self._keys = keys
        self._render = render
        self._scopes = dict(scopes or {})
        self._scope_of_others = scope_of_others
        self._open = OPEN_PATHS | frozenset(open_paths)
        self._attempts = FailedAttempts(failed_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] == "http":
            path = scope["path"]
            if path not in self._open:
                key = key_of(scope)
                caller = self._keys().find(key)
                client = scope.get("client")
                address = client[0] if client else ""
                if caller is None or not self._attempts.admits(address, caller.key_id):
                    await self._render(self._refusal(key, address), scope, receive, send)
                    return
                scopes = self._scopes
                needed = scopes[path] if path in scopes else self._scope_of_others(path)
                if needed is not None and needed not in caller.scopes:
                    await self._render(_missing_scope(needed), scope, receive, send)
                    return
                scope[CALLER] = caller
        elif scope["type"] == "websocket":  # no call of ours is one
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        await self._app(scope, receive, send)

    def _refusal(self, key: bytes, address: str) -> LoanDefaultError:
        """Why a call without an acceptable key is refused; counts it."""
        if not key:
            KEY_REFUSALS.labels("missing").inc()
            return MissingKey(_HINT)
        blocked_s = self._attempts.blocked_s(address)
        if blocked_s:  # whether the key is right makes no difference: a guesser learns nothing
            KEY_REFUSALS.labels("blocked").inc()
            return TooManyAttempts(blocked_s)
        self._attempts.failed(address)
        KEY_REFUSALS.labels("wrong").inc()
        return WrongKey("This API key is not valid here.")


def _missing_scope(needed: KeyScope) -> LoanDefaultError:
    KEY_REFUSALS.labels("scope").inc()
    return MissingScope(needed)


def key_of(scope: Scope) -> bytes:
    """The key that was sent; empty when there is none."""
    bearer = b""
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            if value:
                return bytes(value.strip())
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].strip()
    return bytes(bearer)
