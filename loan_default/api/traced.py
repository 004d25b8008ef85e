"""Spans of a request, of scoring and of the decision log, for where there is tracing; unused elsewhere."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.api.scorer import Face, Rows, Score, Scorer

if TYPE_CHECKING:
    import asyncio

    from loan_default.drift_link import Sampler
    from loan_default.model import LoanModel
    from loan_default.tracing import Tracing

_OF_A_TRACE = {b"traceparent", b"tracestate"}


class Traced:
    """The outermost layer: a span for each call, in the caller's trace when it names one.

    Args:
        app: what answers.
        tracing: makes spans.
        route_of: what stands for a path.
        without: paths that are not traced: probes ask all the time.
    """

    def __init__(
        self,
        app: ASGIApp,
        tracing: "Tracing",
        route_of: Callable[[str], str],
        without: Collection[str],
    ) -> None:
        self._app = app
        self._tracing = tracing
        self._route_of = route_of
        self._without = frozenset(without)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] != "http" or scope["path"] in self._without:
            await self._app(scope, receive, send)
            return
        from opentelemetry.trace import SpanKind, StatusCode

        method, route = scope["method"], self._route_of(scope["path"])
        named = {key.decode(): value.decode("latin-1") for key, value in scope["headers"] if key in _OF_A_TRACE}
        with self._tracing.tracer.start_as_current_span(
            f"{method} {route}",
            context=self._tracing.context_of(named),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": route},
            record_exception=False,  # its text may hold what was sent
            set_status_on_exception=False,
        ) as span:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            try:
                await self._app(scope, receive, watched)
            finally:
                span.set_attribute("loan.request_id", scope.get("request_id", ""))


class TracedScorer(Scorer):
    """A scorer with a span for each call: from its rows' arrival to their scores."""

    def __init__(self, model: "LoanModel", sampler: "Sampler | None", tracing: "Tracing", version: str) -> None:
        super().__init__(model, sampler)
        self._tracing = tracing
        self._version = version

    def submit(self, rows: Rows, face: Face, with_reasons: bool = False) -> "asyncio.Future[list[Score]]":
        """Score applicants; see `Scorer`."""
        attributes = {"loan.rows": len(rows), "loan.face": face, "loan.model_version": self._version}
        span = self._tracing.tracer.start_span("score", attributes=attributes)
        answer = super().submit(rows, face, with_reasons)
        answer.add_done_callback(lambda _: span.end())
        return answer


Record = Callable[..., Awaitable[Sequence[str | None]]]


def traced_record(record: Record, tracing: "Tracing") -> Record:
    """The same with a span: until decisions are kept where the log is required, or handed over where it is not."""

    async def record_all(*arguments: Any) -> Sequence[str | None]:
        with tracing.tracer.start_as_current_span(
            "record decisions", record_exception=False, set_status_on_exception=False
        ):
            return await record(*arguments)

    return record_all
