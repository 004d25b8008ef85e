"""Reads and checks the bodies of requests: type, size, then each field against the declaration."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from loan_default.errors import BodyTooLarge, Detail, InvalidApplicant, MalformedBody, UnsupportedMediaType
from loan_default.schema import Schema
from loan_default.schema.applicant import Encoder

# One applicant has a few hundred bytes; this leaves room for the widest declaration.
MAX_APPLICANT_BYTES = 64 * 1024
_LONGEST_ECHO = 64


class ApplicantReader:
    """Turns the body of a request into one applicant's columns."""

    def __init__(self, schema: Schema, model: type[BaseModel], encoder: Encoder) -> None:
        self._model = model
        self._encoder = encoder
        self._allowed: Mapping[str, str] = {column.name: column.allowed for column in schema.columns}

    async def read(self, request: Request) -> list[float]:
        """One applicant's columns in the schema's order.

        Raises:
            UnsupportedMediaType, BodyTooLarge, MalformedBody, InvalidApplicant: with what would be right.
        """
        if not _is_json(request.headers.get("content-type", "")):
            raise UnsupportedMediaType("Send the applicant as JSON, with `Content-Type: application/json`.")
        body = await _read_limited(request, MAX_APPLICANT_BYTES)
        try:
            applicant = self._model.model_validate_json(body)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            raise self._explained(problems) from None
        return self._encoder.row(applicant)

    def _explained(self, problems: Sequence[Any]) -> MalformedBody | InvalidApplicant:
        if problems[0]["type"] == "json_invalid":
            return MalformedBody(f"The body is not JSON: {problems[0]['msg'].removeprefix('Invalid JSON: ')}.")
        if not problems[0]["loc"]:
            return InvalidApplicant(f"The body must be a JSON object with {self._fields()}.")
        details = [self._detail(problem) for problem in problems]
        return InvalidApplicant("; ".join(f"{d['field']}: {d['problem']}" for d in details) + ".", details)

    def _detail(self, problem: Any) -> Detail:
        field = str(problem["loc"][0])
        if problem["type"] == "extra_forbidden":
            return {"field": field[:_LONGEST_ECHO], "problem": "is not a known field", "allowed": self._fields()}
        allowed = self._allowed[field]
        missing = problem["type"] == "missing"
        return {
            "field": field,
            "problem": f"is missing, {allowed}" if missing else f"must be {allowed}",
            "allowed": allowed,
        }

    def _fields(self) -> str:
        return "the fields " + ", ".join(self._allowed)


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


async def _read_limited(request: Request, limit: int) -> bytes:
    """The body, refused as soon as more than `limit` bytes of it have arrived."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge(f"The body is larger than {limit:,} bytes.")
    return bytes(body)
