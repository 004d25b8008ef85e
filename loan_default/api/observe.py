"""The outermost layer: gives every request an id, bounds how many there are and how long they take.

It also counts and times them, and logs those that failed.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus

from loguru import logger
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.api.call import is_safe_name
from loan_default.api.envelope import Header, refusal
from loan_default.api.in_progress import CALL_SECONDS, InProgress
from loan_default.errors import Busy, LoanDefaultError, TooSlow
from loan_default.logs import request_id
from loan_default.metrics import HTTP_REQUESTS, HTTP_SECONDS, method_label
from loan_default.security import OPEN_PATHS

_HEADER = b"x-request-id"
_UNKNOWN_ROUTE = "other"
# The caller hung up before there was an answer; nginx's number for it.
_NO_ANSWER = 499
# How uvloop says that the caller hung up; for requests sent ahead, uvicorn does not notice.
_CLOSED = "the handler is closed"
_CLOSE: Header = (b"connection", b"close")


class Observe:
    """Wraps the whole service.

    Args:
        app: what answers.
        routes: the paths that get a label of their own in the metrics.
        in_progress: keeps the calls of this worker; somebody must call its `cancel_overdue` now and then.
        closes_connection: asked at each answer whether the connection is to be closed after it.
        template_of: what stands for another path in the metrics; None when nothing does.
        log_all: whether what succeeded is logged too, at level DEBUG.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what is observed, and by which rules
        self,
        app: ASGIApp,
        routes: Iterable[str],
        in_progress: InProgress,
        closes_connection: Callable[[], bool],
        template_of: Callable[[str], str | None] = lambda _: None,
        log_all: bool = False,
    ) -> None:
        self._app = app
        self._routes = frozenset(routes)
        self._in_progress = in_progress
        self._closes_connection = closes_connection
        self._template_of = template_of
        self._log_from = 0 if log_all else HTTPStatus.BAD_REQUEST
        self._counters: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        # A random start and a count are as unique as a random id, and a quarter of its price.
        self._own_ids = map((secrets.token_hex(10) + "%012x").__mod__, itertools.count())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # the server runs each call as a task
        identifier = _chosen_id(scope) or next(self._own_ids)
        request_id.set(identifier)
        scope["request_id"] = identifier
        started = time.perf_counter()
        status = _NO_ANSWER

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = [*message.get("headers", ()), (_HEADER, identifier.encode())]
                if self._closes_connection():
                    headers.append(_CLOSE)
            await send(message)

        path = scope["path"]
        busy = self._in_progress.full and path not in OPEN_PATHS  # probes are answered however busy we are
        self._in_progress.enter(task, started + CALL_SECONDS)
        try:
            if busy:
                await refusal(Busy("Too many calls at once; try again in a second."), path)(
                    scope, receive, send_with_id
                )
            else:
                await self._app(scope, receive, send_with_id)
        except (asyncio.CancelledError, Exception) as problem:  # noqa: BLE001  # the last resort
            error = self._failed(task, problem)
            if error is None:
                status = _NO_ANSWER
            elif status == _NO_ANSWER:
                await refusal(error, path)(scope, receive, send_with_id)
        finally:
            self._in_progress.leave(task)
            self._count(scope["method"], path, status, time.perf_counter() - started)

    def _failed(self, task: "asyncio.Task[object]", problem: BaseException) -> LoanDefaultError | None:
        """What to say of a call that ended with `problem`; None when nobody listens any more.

        Raises:
            CancelledError: the server itself cancelled the call.
        """
        if isinstance(problem, asyncio.CancelledError):
            if not self._in_progress.was_overdue(task):
                raise problem
            task.uncancel()
            return TooSlow(f"The request was not received and answered within {CALL_SECONDS:g} seconds.")
        if isinstance(problem, RuntimeError) and _CLOSED in str(problem):
            return None
        logger.opt(exception=problem).error("Unexpected error")
        return LoanDefaultError("Something went wrong here; the log has the details.")

    def route_of(self, path: str) -> str:
        """What stands for a path wherever strangers must not be able to make names: in metrics, logs and traces."""
        return path if path in self._routes else self._template_of(path) or _UNKNOWN_ROUTE

    def _count(self, method: str, path: str, status: int, seconds: float) -> None:
        method = method_label(method)
        route = self.route_of(path)
        key = (method, route, status)
        counters = self._counters.get(key)
        if counters is None:
            counters = self._counters[key] = (HTTP_REQUESTS.labels(*key), HTTP_SECONDS.labels(route))
        counters[0].inc()
        counters[1].observe(seconds)
        if status >= self._log_from:
            _log(method, route, status, seconds)


def _chosen_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == _HEADER and is_safe_name(value):
            return str(value.decode("ascii"))
    return ""


def _log(method: str, route: str, status: int, seconds: float) -> None:
    level = "ERROR" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "INFO"
    level = "DEBUG" if status < HTTPStatus.BAD_REQUEST or route == "/readyz" else level
    logger.bind(method=method, route=route, status=status, milliseconds=round(seconds * 1000, 3)).log(level, "Answered")
