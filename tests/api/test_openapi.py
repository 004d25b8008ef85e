"""The OpenAPI document says what the code does: paths, statuses, codes, fields, limits; BentoML says the same."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from installation import Installation

from loan_default.api.bulk.routes import BATCH_CALLS, TASK_CALLS
from loan_default.api.docs_page import DOCS_PATHS, OPEN_DOCS_PATHS
from loan_default.api.native_calls import NATIVE_CALLS
from loan_default.api.openapi import document
from loan_default.api.rest import REST_PATHS
from loan_default.errors import LoanDefaultError
from loan_default.schema import Schema
from loan_default.schema.applicant import applicant_model
from loan_default.security import OPEN_PATHS

MOST = 1000
# Parts of the page, and no calls.
FILES = {"/docs/page.css", "/docs/page.js"}


def described(schema: Schema) -> dict[str, Any]:
    return document(applicant_model(schema, lambda *_: None), schema.example, MOST)


@pytest.fixture(scope="module")
def described_default(schema: Schema) -> dict[str, Any]:
    return described(schema)


def operations(of: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in of["paths"].items():
        for operation in methods.values():
            yield path, operation


def validator(of: dict[str, Any], name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": of["components"]})


def test_it_is_valid_openapi_3_1(described_default: dict[str, Any]) -> None:
    assert described_default["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(described_default).validate()
    for schema in described_default["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_reference_leads_somewhere(described_default: dict[str, Any]) -> None:
    def references(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for item in node.values():
                yield from references(item)
        elif isinstance(node, list):
            for item in node:
                yield from references(item)

    found = set(references(described_default))
    assert "#/components/schemas/Applicant" in found
    for reference in found:
        target: Any = described_default
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def test_every_path_of_both_faces_is_described_and_no_other(described_default: dict[str, Any]) -> None:
    calls = {*REST_PATHS, *BATCH_CALLS, *NATIVE_CALLS, *TASK_CALLS, *DOCS_PATHS}
    assert set(described_default["paths"]) == calls - FILES


def test_every_method_of_a_job_is_described_and_no_other(described_default: dict[str, Any]) -> None:
    for path, methods in {**BATCH_CALLS, **{path: (method,) for path, method in TASK_CALLS.items()}}.items():
        assert set(described_default["paths"][path]) == {method.lower() for method in methods}


def test_the_calls_that_reach_bentoml_are_its_own(described_default: dict[str, Any]) -> None:
    for path, method in NATIVE_CALLS.items():
        assert set(described_default["paths"][path]) == {method.lower()}


def test_what_is_open_without_a_key_is_described_so(described_default: dict[str, Any]) -> None:
    open_calls = {path for path, operation in operations(described_default) if operation.get("security") == []}
    assert open_calls == (OPEN_PATHS | OPEN_DOCS_PATHS) & set(described_default["paths"])


def test_every_code_that_callers_can_get_is_there_under_its_status(described_default: dict[str, Any]) -> None:
    def errors(base: type[LoanDefaultError]) -> Iterator[type[LoanDefaultError]]:
        yield base
        for error in base.__subclasses__():
            yield from errors(error)

    answers = [
        (status, answer)
        for path, operation in operations(described_default)
        if path.startswith("/api/")
        for status, answer in operation["responses"].items()
        if int(status) >= 400
    ]
    parts = described_default["components"]["responses"]
    answers += [("404", parts["NotFound"]), ("405", parts["MethodNotAllowed"])]
    named = {
        (int(status), code)
        for status, answer in answers
        for content in answer["content"].values()
        for code in content["schema"].get("properties", {}).get("error", {}).get("enum", [])
    }
    assert named == {(int(error.status), error.code) for error in errors(LoanDefaultError)}


def test_every_call_with_a_key_may_be_refused_for_it(described_default: dict[str, Any]) -> None:
    for path, operation in operations(described_default):
        refused = {"401", "403", "429"} & set(operation["responses"])
        assert refused == (set() if path in OPEN_PATHS | OPEN_DOCS_PATHS else {"401", "403", "429"})


def test_too_many_calls_says_when_to_come_back(described_default: dict[str, Any]) -> None:
    for _, operation in operations(described_default):
        if "429" in operation["responses"]:
            assert {"Retry-After", "RateLimit-Limit"} < set(operation["responses"]["429"]["headers"])


@pytest.mark.parametrize("which", ["schema", "credit_schema"])
def test_the_declarations_example_is_valid_and_shown(which: str, request: pytest.FixtureRequest) -> None:
    schema: Schema = request.getfixturevalue(which)
    of = described(schema)
    shown = {
        path: of["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]["declared"]["value"]
        for path in ("/api/v1/predict", "/predict")
    }
    assert shown == {"/api/v1/predict": schema.example, "/predict": {"applications": [schema.example]}}
    assert validator(of, "Applicant").is_valid(dict(schema.example))
    assert not validator(of, "Applicant").is_valid({**schema.example, "unknown": 1})


def test_fields_and_limits_are_the_declarations(described_default: dict[str, Any], schema: Schema) -> None:
    fields = described_default["components"]["schemas"]["Applicant"]["properties"]
    assert list(fields) == schema.column_names
    assert [field["description"] for field in fields.values()] == [column.said for column in schema.columns]
    example = dict(schema.example)
    assert not validator(described_default, "Applicant").is_valid({**example, "annual_salary": 0})


@pytest.mark.parametrize("name", ["Explained", "Prediction"])
def test_an_answer_without_its_id_is_not_as_described(described_default: dict[str, Any], name: str) -> None:
    answer = {
        "prediction": 0,
        "probability": 0.01,
        "default_risk": "Low",
        "threshold": 0.1,
        "model_version": "1",
        "features_used": {},
    }
    assert not validator(described_default, name).is_valid(answer)
    assert validator(described_default, name).is_valid({**answer, "decision_id": "a"})


def test_bentoml_describes_the_same_request(installation_without_model: Installation) -> None:
    code = """
import json, service
from loan_default.api.openapi import document
models = service._online.models
ours = document(models.applicant_model, models.schema.example, service.MAX_LIST)
theirs = service.LoanDefault.openapi_spec.asdict()
print(json.dumps([of["paths"]["/predict"]["post"]["requestBody"]["content"] for of in (ours, theirs)]))
"""
    ours, theirs = json.loads(installation_without_model.python(code).splitlines()[-1])
    lists = [content["application/json"]["schema"]["properties"]["applications"] for content in (ours, theirs)]
    lists[1].pop("title")
    assert lists[0] == lists[1]


def test_bentoml_describes_the_same_task(installation_without_model: Installation) -> None:
    code = """
import json, service
from loan_default.api.openapi import document
models = service._online.models
ours = document(models.applicant_model, models.schema.example, service.MAX_LIST)["paths"]
task = service.LoanDefault.apis["score"].schema()
taken = ours["/score/submit"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
ours_too = sorted(path for path in ours if path.startswith("/score"))
theirs = sorted(path for path in service.LoanDefault.openapi_spec.asdict()["paths"] if path.startswith("/score/"))
print(json.dumps([task, taken, ours_too, theirs]))
"""
    task, ours, paths, theirs = json.loads(installation_without_model.python(code).splitlines()[-1])
    assert task["is_task"]
    assert task["output"]["type"] == "file"
    assert list(task["input"]["properties"]) == list(ours["properties"])
    assert task["input"]["required"] == ours["required"] == ["portfolio"]
    assert paths == theirs


@pytest.fixture
def installation_without_model(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("none") / "state")
