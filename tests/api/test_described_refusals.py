"""Refusals that no fuzzer meets often, held to the OpenAPI document: status, shape, code and headers."""

from typing import Any

import httpx
import jsonschema_rs
import pytest
from face import KEY, Face

from loan_default.api.bulk.portfolios import MAX_JSON_BYTES
from loan_default.api.bulk.routes import BATCH_PATH, FILE_PATH, JOB_PATH
from loan_default.api.native import MAX_LIST_BYTES
from loan_default.schema.one_applicant import MAX_APPLICANT_BYTES
from loan_default.served import Served
from loan_default.settings import Settings

REST, NATIVE = "/api/v1/predict", "/predict"
NO_JOB = JOB_PATH.replace("{job_id}", "0" * 32)
JSON = {"content-type": "application/json"}
SENT = {**KEY, **JSON}


@pytest.fixture
def face(settings: Settings, promoted: Served) -> Face:
    assert promoted.model_folder.is_dir()
    return Face(settings)


def document(face: Face) -> dict[str, Any]:
    found: dict[str, Any] = face.call("GET", "/openapi.json", headers=KEY).json()
    return found


def holds(of: dict[str, Any], method: str, path: str, answer: httpx.Response) -> bool:
    """Whether an answer is one of those that are described for a call; says what is not."""
    responses = of["paths"].get(path, {}).get(method.lower(), {}).get("responses", {})
    parts = of["components"]["responses"]
    described = {"404": parts["NotFound"], "405": parts["MethodNotAllowed"], **responses}[str(answer.status_code)]
    parts = {"components": of["components"]}
    schema = described["content"]["application/json"]["schema"]
    jsonschema_rs.validator_for({**schema, **parts}).validate(answer.json())
    for name, reference in described["headers"].items():
        header = of["components"]["headers"][reference["$ref"].rpartition("/")[2]]
        assert name in answer.headers or not header.get("required"), name
        if name in answer.headers:
            whole = header["schema"]["type"] == "integer"
            value = int(answer.headers[name]) if whole else answer.headers[name]
            jsonschema_rs.validator_for(header["schema"]).validate(value)
    return True


@pytest.mark.parametrize(
    ("status", "path", "sent", "content"),
    [
        (401, REST, JSON, b"{}"),
        (401, NATIVE, JSON, b"{}"),
        (403, REST, {**JSON, "x-api-key": "wrong"}, b"{}"),
        (403, NATIVE, {**JSON, "x-api-key": "wrong"}, b"{}"),
        (413, REST, SENT, b" " * (MAX_APPLICANT_BYTES + 1)),
        (413, NATIVE, SENT, b" " * (MAX_LIST_BYTES + 1)),
        (415, REST, {**KEY, "content-type": "text/plain"}, b"{}"),
        (415, NATIVE, {**KEY, "content-type": "text/plain"}, b"{}"),
        (422, REST, SENT, b"{}"),
        (422, REST, SENT, b"{"),
        (422, REST, {**SENT, "x-applicant-reference": "a b"}, b"{}"),
        (400, NATIVE, {**SENT, "x-applicant-reference": "a b"}, b"{}"),
        (404, "/api/v1/nothing", SENT, b"{}"),
        (405, "/api/v1/model/info", SENT, b"{}"),
    ],
)
def test_a_refusal_is_as_described(face: Face, status: int, path: str, sent: dict[str, str], content: bytes) -> None:
    answer = face.call("POST", path, headers=sent, content=content)
    assert answer.status_code == status
    assert holds(document(face), "POST", path, answer)


@pytest.mark.parametrize(
    ("status", "method", "path", "template", "sent", "content"),
    [
        (401, "GET", BATCH_PATH, BATCH_PATH, {}, b""),
        (404, "GET", NO_JOB, JOB_PATH, SENT, b""),
        (404, "DELETE", NO_JOB, JOB_PATH, SENT, b""),
        (404, "GET", f"{NO_JOB}/results", f"{JOB_PATH}/results", SENT, b""),
        (404, "POST", f"{NO_JOB}/retry", f"{JOB_PATH}/retry", SENT, b""),
        (405, "PUT", NO_JOB, JOB_PATH, SENT, b""),
        (422, "GET", f"{NO_JOB}/results?format=xml", f"{JOB_PATH}/results", SENT, b""),
        (413, "POST", BATCH_PATH, BATCH_PATH, SENT, b" " * (MAX_JSON_BYTES + 1)),
        (415, "POST", BATCH_PATH, BATCH_PATH, KEY, b"{}"),
        (422, "POST", BATCH_PATH, BATCH_PATH, SENT, b"{}"),
        (415, "POST", FILE_PATH, FILE_PATH, KEY, b""),
        (422, "POST", FILE_PATH, FILE_PATH, SENT, b'{"uri": "/etc/passwd"}'),
        (422, "POST", FILE_PATH, FILE_PATH, {**SENT, "idempotency-key": "a b"}, b'{"uri": "/"}'),
        (415, "POST", "/score/submit", "/score/submit", KEY, b""),
        (400, "POST", "/score/submit", "/score/submit", SENT, b"{}"),
        (400, "GET", "/score/status", "/score/status", SENT, b""),
        (404, "GET", f"/score/get?task_id={'0' * 32}", "/score/get", SENT, b""),
    ],
)
def test_a_refusal_of_jobs_is_as_described(  # noqa: PLR0913, PLR0917  # a call and what is expected of it
    face: Face, status: int, method: str, path: str, template: str, sent: dict[str, str], content: bytes
) -> None:
    answer = face.call(method, path, headers=sent, content=content)
    assert answer.status_code == status, answer.text
    assert holds(document(face), method, template, answer)
    face.online.jobs.close()


@pytest.mark.parametrize("path", [REST, NATIVE])
def test_too_many_applicants_is_as_described(settings: Settings, promoted: Served, path: str) -> None:
    assert promoted.model_folder.is_dir()
    face = Face(settings.model_copy(update={"rate_limit_per_minute": 1}))
    for _ in range(2):
        answer = face.call("POST", path, headers=SENT, content=b'{"applications": [1]}')
    assert answer.status_code == 429
    assert answer.headers["retry-after"]
    assert holds(document(face), "POST", path, answer)


def test_too_many_wrong_keys_is_as_described(settings: Settings, promoted: Served) -> None:
    assert promoted.model_folder.is_dir()
    face = Face(settings.model_copy(update={"failed_keys_per_minute": 1}))
    described = document(face)
    for _ in range(2):
        answer = face.call("POST", REST, headers={"x-api-key": "wrong"})
    assert answer.status_code == 429
    assert holds(described, "POST", REST, answer)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", REST), ("POST", NATIVE), ("GET", "/readyz"), ("GET", "/api/v1/model/info")]
)
def test_no_model_is_as_described(settings: Settings, method: str, path: str) -> None:
    face = Face(settings)
    answer = face.call(method, path, headers=SENT, content=b"{}")
    assert answer.status_code == 503
    assert holds(document(face), method, path, answer)
