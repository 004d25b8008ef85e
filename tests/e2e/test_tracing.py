"""Traces of a served process: from the caller's own span to the decision log and the chunks of a job."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from collector import Collector, collecting, plain
from decisions import wait_for
from installation import KEY, ROOT, Installation, Server, serving

APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
SERVE = ["bentoml", "serve", "service:LoanDefault"]
SERVER_KIND, CONSUMER_KIND, ERROR = 2, 5, 2


class Traced(NamedTuple):
    """A server and what it sends its spans to."""

    server: Server
    collector: Collector


@pytest.fixture(scope="module")
def traced(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    folder = tmp_path_factory.mktemp("tracing")
    own = installation.copy(folder / "state")
    with collecting() as collector:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_SERVICE_NAME": "loans-of-the-south",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=south",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "LOG_LEVEL": "DEBUG",
            "LOG_FORMAT": "json",
            "DECISION_LOG": "required",
        }
        with serving(SERVE, {**own.environment, **variables}, ROOT, folder / "log") as server:
            yield Traced(server, collector)


def call(server: Server, method: str, path: str, **more: object) -> tuple[str, httpx.Response]:
    """A call in a trace of its own; its id and the answer."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    with server.client() as client:
        headers = {"traceparent": f"00-{trace_id}-{span_id}-01"}
        return trace_id, client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]


def test_a_prediction_is_traced_from_its_caller_to_the_decision_log(traced: Traced) -> None:
    trace_id, answer = call(traced.server, "POST", "/api/v1/predict", json=APPLICANT)
    assert answer.status_code == 200
    wait_for(lambda: len(traced.collector.of_trace(trace_id)) == 3)
    spans = traced.collector.of_trace(trace_id)
    [request], [score], [record] = (spans[name] for name in ("POST /api/v1/predict", "score", "record decisions"))
    assert (request.kind, request.status) == (SERVER_KIND, 0)
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["http.route"] == "/api/v1/predict"
    assert request.attributes["loan.request_id"] == answer.headers["x-request-id"]
    assert score.attributes == {"loan.rows": 1, "loan.face": "rest", "loan.model_version": "1"}
    assert {score.parent_id, record.parent_id} == {request.span_id}
    assert request.resource["service.name"] == "loans-of-the-south"
    assert request.headers["x-tenant"] == "south"
    assert traced.collector.paths == {"/v1/traces"}


def test_the_log_names_the_trace(traced: Traced) -> None:
    trace_id, answer = call(traced.server, "POST", "/api/v1/predict", json={"employed": 5})
    assert answer.status_code == 422
    wait_for(lambda: any(line.get("trace_id") == trace_id for line in traced.server.lines()))
    [line] = [line for line in traced.server.lines() if line.get("trace_id") == trace_id]
    assert (line["message"], line["status"]) == ("Answered", 422)
    assert line["request_id"] == answer.headers["x-request-id"]
    wait_for(lambda: bool(traced.collector.of_trace(trace_id)))
    [span] = traced.collector.of_trace(trace_id)["POST /api/v1/predict"]
    assert span.span_id == line["span_id"]


def test_a_job_goes_on_with_the_trace_of_the_call_that_handed_it_in(traced: Traced) -> None:
    path = "/api/v1/predict/batch"
    trace_id, answer = call(traced.server, "POST", path, json={"predictions": [APPLICANT] * 20})
    job_id = answer.json()["job_id"]
    wait_for(lambda: "score portfolio" in traced.collector.of_trace(trace_id), within_s=60)
    spans = traced.collector.of_trace(trace_id)
    [job], [request] = spans["score portfolio"], spans[f"POST {path}"]
    assert (job.parent_id, job.kind) == (request.span_id, CONSUMER_KIND)
    assert job.attributes == {"loan.job_id": job_id, "loan.rows": 20, "loan.model_version": "1"}
    assert job.resource["loan.process"] == "worker"
    assert sum(span.attributes["loan.rows"] for span in spans["chunk"]) == 20
    assert {span.parent_id for span in spans["chunk"]} == {job.span_id}
    lines = [line for line in traced.server.lines() if line.get("trace_id") == trace_id]
    assert {line["job_id"] for line in lines if line["message"].startswith("The job")} == {job_id}


def test_a_path_with_an_id_in_it_is_named_by_its_template(traced: Traced) -> None:
    trace_id, answer = call(traced.server, "GET", f"/api/v1/predict/batch/{'0' * 32}")
    assert answer.status_code == 404
    wait_for(lambda: bool(traced.collector.of_trace(trace_id)))
    assert set(traced.collector.of_trace(trace_id)) == {"GET /api/v1/predict/batch/{job_id}"}


def test_what_a_caller_does_not_want_to_be_sampled_is_not(traced: Traced) -> None:
    unsampled, sampled = secrets.token_hex(16), secrets.token_hex(16)
    with traced.server.client() as client:
        for trace_id, flags in ((unsampled, "00"), (sampled, "01")):
            headers = {"traceparent": f"00-{trace_id}-{'1' * 16}-{flags}"}
            assert client.post("/api/v1/predict", json=APPLICANT, headers=headers).status_code == 200
    wait_for(lambda: bool(traced.collector.of_trace(sampled)))
    assert traced.collector.of_trace(unsampled) == {}


def test_spans_hold_neither_what_applicants_owe_nor_keys_and_probes_have_none(traced: Traced) -> None:
    traced.server.metrics()
    trace_id, _ = call(traced.server, "POST", "/api/v1/predict", json=APPLICANT)
    wait_for(lambda: bool(traced.collector.of_trace(trace_id)))
    text = plain(traced.collector.spans)
    for secret in ("8754.36", "532339.56", KEY, "/metrics", "/readyz"):
        assert secret not in text


def test_without_a_collector_calls_are_answered_and_the_server_stops_in_time(
    installation: Installation, tmp_path: Path
) -> None:
    own = installation.copy(tmp_path / "state")
    variables = {**own.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with serving(SERVE, variables, ROOT, tmp_path / "log") as server:
        for _ in range(20):
            assert call(server, "POST", "/api/v1/predict", json=APPLICANT)[1].status_code == 200
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 10
