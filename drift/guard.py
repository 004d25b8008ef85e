"""Who may ask the monitor, and how: in JSON, not too much of it, and with the key where one is set.

BentoML reads a body as its media type says, and one of the types it knows is pickle, which runs whatever its sender
wrote; between the services of a Bento it speaks pickle itself. Here nothing but JSON comes through, by a port or by a
socket, and of the paths that BentoML answers only those that are meant.
"""

import hashlib
import hmac
from typing import Final

from loguru import logger
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.errors import LoanDefaultError, MissingKey, NoSuchCall, WrongKey, WrongMethod
from loan_default.json_body import check_headers, read_limited
from loan_default.security import OPEN_PATHS, key_of
from loan_default.settings import Settings

# What workers call. Each is a POST, as BentoML declares it.
CALLS: Final = frozenset({"/observe", "/introduce", "/verdict", "/report"})
# Room for the longest batch of a model with hundreds of features.
MOST_BYTES: Final = 32 * 1024 * 1024

_JSON: Final = (b"content-type", b"application/json")
_POLICY_VIOLATION: Final = 1008
_HINT: Final = "Send the drift monitor's key (DRIFT_KEY) as `Authorization: Bearer KEY`."


class Guard:
    """ASGI middleware: lets through what is as it must be, and refuses the rest."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        key = settings.drift_key
        self._digest = None if key is None else _digest(key.get_secret_value().encode())
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] == "websocket":  # no call of ours is one
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        elif scope["type"] != "http" or (scope["path"] in OPEN_PATHS and scope["method"] in {"GET", "HEAD"}):
            await self._app(scope, receive, send)
        else:
            try:
                body = await self._accepted(scope, receive)
            except ClientDisconnect:
                return
            except LoanDefaultError as error:
                answer = JSONResponse({"error": error.message}, error.status, dict(error.headers))
                await answer(scope, receive, send)
            else:
                await self._app(_as_json(scope), _again(body, receive), send)

    async def _accepted(self, scope: Scope, receive: Receive) -> bytes:
        """The body of a call that is let through; raises what is wrong with another."""
        self._require_key(scope)
        if scope["path"] not in CALLS:
            raise NoSuchCall
        if scope["method"] != "POST":
            raise WrongMethod("POST")
        check_headers(scope, MOST_BYTES)
        return await read_limited(receive, MOST_BYTES)

    def _require_key(self, scope: Scope) -> None:
        if self._digest is None:
            if scope.get("client") and not self._warned:  # who comes by a socket of the file system has no address
                self._warned = True
                logger.warning("Drift: whoever reaches this port may feed and ask the monitor; DRIFT_KEY is not set")
            return
        key = key_of(scope)
        if not key:
            raise MissingKey(_HINT)
        if not hmac.compare_digest(_digest(key), self._digest):
            raise WrongKey("This key is not the drift monitor's.")


def _digest(key: bytes) -> bytes:
    """What is compared in place of a key: as long for every key."""
    return hashlib.sha256(key).digest()


def _as_json(scope: Scope) -> Scope:
    """The same call with one media type: of two, we might look at the one and BentoML at the other."""
    headers = [header for header in scope["headers"] if header[0] != b"content-type"]
    return {**scope, "headers": [*headers, _JSON]}


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands out a body that was read already, and then whatever comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again
