"""Reads the body of a request as one applicant: type, size, then each field against the declaration."""

from starlette.types import Receive, Scope

from loan_default.json_body import check_headers, read_limited
from loan_default.schema.one_applicant import MAX_APPLICANT_BYTES, ApplicantParser


class ApplicantReader(ApplicantParser):
    """Turns what a caller sent into one applicant's columns."""

    async def read(self, scope: Scope, receive: Receive) -> list[float]:
        """One applicant's columns in the schema's order, from the body of a request.

        Raises:
            UnsupportedMediaType, BodyTooLarge, MalformedBody, InvalidApplicant: with what would be right.
        """
        check_headers(scope, MAX_APPLICANT_BYTES)
        return self.parse(await read_limited(receive, MAX_APPLICANT_BYTES))
