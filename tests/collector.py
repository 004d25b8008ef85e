"""A collector of traces: a real OTLP receiver over HTTP, which decodes what it gets."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from local_http import Quiet, answering
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span(NamedTuple):
    """A span as it arrived; ids are hex digits, `resource` is what the process says of itself."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    status: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    headers: dict[str, str]


class Collector:
    """What was received."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.spans: list[Span] = []
        self.paths: set[str] = set()

    def of_trace(self, trace_id: str) -> dict[str, list[Span]]:
        """The spans of a trace by their names."""
        found: dict[str, list[Span]] = {}
        for span in self.spans:
            if span.trace_id == trace_id:
                found.setdefault(span.name, []).append(span)
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port, until the block ends."""

    class Receiver(Quiet):
        def do_POST(self) -> None:  # noqa: N802  # the name that it is called by
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            collector.paths.add(self.path)
            collector.spans += decoded(body, dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with answering(Receiver) as port:
        collector = Collector(port)
        yield collector


def decoded(body: bytes, headers: dict[str, str]) -> list[Span]:
    """The spans of one export."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Span(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.kind,
            span.status.code,
            values(span.attributes),
            values(of_process.resource.attributes),
            headers,
        )
        for of_process in request.resource_spans
        for scope in of_process.scope_spans
        for span in scope.spans
    ]


def values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def plain(spans: list[Span]) -> str:
    """All of it as text, for those who look for what must not be there."""
    return json.dumps([span._asdict() for span in spans], default=str)
