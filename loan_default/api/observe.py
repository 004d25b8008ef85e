"""The outermost ASGI middleware: gives every request an id, counts it, times it, and logs it when it failed."""

import re
import time
import uuid
from collections.abc import Iterable
from http import HTTPStatus

from loguru import logger
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.logs import request_id
from loan_default.metrics import HTTP_REQUESTS, HTTP_SECONDS, method_label

_HEADER = b"x-request-id"
# What a caller may choose as an id: nothing that could forge a log line.
_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_UNKNOWN_ROUTE = "other"
# The caller hung up before there was an answer; nginx's number for it.
_NO_ANSWER = 499


class Observe:
    """Wraps the whole service; `routes` are the paths that get a label of their own in the metrics."""

    def __init__(self, app: ASGIApp, routes: Iterable[str]) -> None:
        self._app = app
        self._routes = frozenset(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identifier = _request_id(scope)
        token = request_id.set(identifier)
        started = time.perf_counter()
        status = _NO_ANSWER

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (_HEADER, identifier.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            route = scope["path"] if scope["path"] in self._routes else _UNKNOWN_ROUTE
            method = method_label(scope["method"])
            HTTP_REQUESTS.labels(method, route, status).inc()
            HTTP_SECONDS.labels(route).observe(seconds)
            _log(method, route, status, seconds)
            request_id.reset(token)


def _log(method: str, route: str, status: int, seconds: float) -> None:
    level = "ERROR" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "INFO"
    level = "DEBUG" if status < HTTPStatus.BAD_REQUEST or route == "/readyz" else level
    logger.bind(method=method, route=route, status=status, milliseconds=round(seconds * 1000, 3)).log(level, "Answered")


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == _HEADER and _ACCEPTABLE.fullmatch(value):
            return str(value.decode("ascii"))
    return uuid.uuid4().hex
