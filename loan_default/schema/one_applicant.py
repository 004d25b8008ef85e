"""One applicant as JSON, checked field by field against the declaration: what the API takes, and JSON files by line."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from loan_default.errors import Detail, InvalidApplicant, MalformedBody
from loan_default.schema.applicant import Encoder
from loan_default.schema.declaration import Schema

# One applicant has a few hundred bytes; this leaves room for the widest declaration.
MAX_APPLICANT_BYTES = 64 * 1024
_LONGEST_ECHO = 64
# Fields that nobody declared are told one by one up to so many, lest an answer be a hundred times as long as its body.
_MOST_UNKNOWN = 20
GIVEN_TWICE = "is given more than once; give it once"


class ApplicantParser:
    """Turns JSON into one applicant's columns."""

    def __init__(self, schema: Schema, model: type[BaseModel], encoder: Encoder) -> None:
        self._model = model
        self._encoder = encoder
        self._allowed: Mapping[str, str] = {column.name: column.allowed for column in schema.columns}

    def parse(self, body: bytes) -> list[float]:
        """One applicant's columns in the schema's order, from one applicant as JSON.

        Raises:
            MalformedBody, InvalidApplicant: with what would be right.
        """
        return self._encoder.row(self.validated(body))

    def validated(self, body: bytes) -> BaseModel:
        """The same as an applicant of the request type.

        Raises:
            MalformedBody, InvalidApplicant: with what would be right.
        """
        if len(body) > MAX_APPLICANT_BYTES:  # a row of a list, of which nobody has looked at the length yet
            raise InvalidApplicant(f"An applicant must be at most {MAX_APPLICANT_BYTES:,} bytes of JSON.")
        try:
            applicant = self._model.model_validate_json(body)
        except ValidationError as error:
            raise self._explained(error) from None
        # JSON allows a field twice, and readers disagree on which one counts. Every pair has a colon, and few values
        # have one: only when the numbers differ is it worth a second, slower look.
        if body.count(b":") != len(applicant.model_fields_set):
            self._require_distinct(body)
        return applicant

    def _explained(self, error: ValidationError) -> MalformedBody | InvalidApplicant:
        """What is wrong with an applicant, field by field, without its values."""
        count = error.error_count()
        if count > len(self._allowed) + _MOST_UNKNOWN:
            return InvalidApplicant(
                f"An applicant must be a JSON object with {self._fields()}; this one has {count:,} problems."
            )
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        if problems[0]["type"] == "json_invalid":
            return MalformedBody(f"The body is not JSON: {problems[0]['msg'].removeprefix('Invalid JSON: ')}.")
        if not problems[0]["loc"]:
            return InvalidApplicant(f"An applicant must be a JSON object with {self._fields()}.")
        return _invalid([self._detail(problem) for problem in problems])

    def _require_distinct(self, body: bytes) -> None:
        names = [name for name, _ in json.loads(body, object_pairs_hook=list)]
        twice = [name for name in self._allowed if names.count(name) > 1]
        if twice:
            raise _invalid([{"field": f, "problem": GIVEN_TWICE, "allowed": self._allowed[f]} for f in twice])

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


def _invalid(details: Sequence[Detail]) -> InvalidApplicant:
    return InvalidApplicant("; ".join(f"{d['field']}: {d['problem']}" for d in details) + ".", details)
