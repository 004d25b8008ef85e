"""What Schemathesis checks beside its own: in a list, each applicant answers for itself. And what it need not send.

Loaded by Schemathesis, as `schemathesis.toml` says.
"""

import json
import re
from typing import Any, cast

import jsonschema_rs
import schemathesis


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Integers without a decimal point: JSON Schema takes 1.0 for one, and cannot say that the service does not."""
    assert context.operation is not None
    fields = context.operation.schema.raw_schema["components"]["schemas"]["Applicant"]["properties"]
    whole = {name for name, field in fields.items() if '"integer"' in json.dumps(field)}
    applications = body.get("applications") if isinstance(body, dict) else None
    for applicant in [body, *(applications if isinstance(applications, list) else [])]:
        for name in whole & set(applicant if isinstance(applicant, dict) else ()):
            value = applicant[name]
            applicant[name] = int(value) if isinstance(value, float) and value.is_integer() else value
    return body


@schemathesis.check
def each_applicant_answers_for_itself(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """A 200 of the native face has one answer for each row: a score for a valid one, a refusal for any other."""
    if case.operation.path != "/predict" or response.status_code != 200:
        return
    body = json.loads(cast("bytes", response.request.body) or b"null")
    assert isinstance(body, dict), "a body that is no object was accepted"
    rows = body["applications"]
    assert isinstance(rows, list), "applications that are no list were accepted"
    assert 1 <= len(rows) <= 1000, "a list of a wrong length was accepted"
    reference = response.request.headers.get("X-Applicant-Reference")
    assert reference is None or re.fullmatch("[A-Za-z0-9._:-]{1,64}", _text(reference)), "a bad reference was accepted"
    answers = json.loads(response.content)
    assert len(answers) == len(rows), "not one answer for each applicant"
    valid = _validator(case.operation.schema.raw_schema)
    for row, answer in zip(rows, answers, strict=True):
        assert ("probability" in answer) == valid.is_valid(row), f"{row} was answered with {answer}"
        assert ("error" in answer) != ("probability" in answer), f"neither a score nor a refusal: {answer}"


def _validator(document: dict[str, Any]) -> jsonschema_rs.Validator:
    parts = {"components": {"schemas": document["components"]["schemas"]}}
    return jsonschema_rs.validator_for({"$ref": "#/components/schemas/Applicant", **parts})


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
