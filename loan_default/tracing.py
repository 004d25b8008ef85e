"""Traces by OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT is set. Without it nothing of it is imported here.

A process makes its own provider: what BentoML and others trace stays theirs. A thread of the SDK's sends spans; what a
collector does not take is dropped, and nobody waits for it. They name routes, models, numbers of rows and times, never
an applicant's values.
"""

from threading import Thread
from typing import TYPE_CHECKING, Final, Literal

from loan_default import __version__
from loan_default.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

# How long the end of a process waits for a collector at most.
_CLOSE_S: Final = 2.0
_TRACEPARENT: Final = "traceparent"


class Tracing:
    """Makes the spans of one process."""

    def __init__(self, provider: "TracerProvider") -> None:
        """Use `open_tracing`."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._propagator = TraceContextTextMapPropagator()
        self.tracer = provider.get_tracer("loan_default", __version__)

    def context_of(self, headers: dict[str, str]) -> "Context":
        """What a caller says it traces, by the headers `traceparent` and `tracestate`; a trace of its own otherwise."""
        return self._propagator.extract(headers)

    def traceparent(self) -> str | None:
        """The present span, for whoever goes on with its trace; None outside of any."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(_TRACEPARENT)

    def close(self) -> None:
        """Send what waits, and stop; gives up soon."""
        thread = Thread(target=self._provider.shutdown, name="tracing-close", daemon=True)
        thread.start()
        thread.join(_CLOSE_S)


def open_tracing(settings: Settings, process: Literal["api", "worker"]) -> Tracing | None:
    """Start to trace, if the settings ask for it. OpenTelemetry reads its other variables itself.

    Args:
        settings: whose endpoint counts.
        process: what kind of process this is, told with each span.
    """
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = {"service.name": "loan-default", "service.version": __version__, "loan.process": process}
    provider = TracerProvider(resource=Resource(ours).merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    endpoint = settings.otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider)


def current_ids() -> dict[str, str]:
    """The ids of the present trace and span as log lines have them; empty outside of any."""
    from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}
