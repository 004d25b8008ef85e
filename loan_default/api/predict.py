"""`POST /api/v1/predict`: the hot path, from a request to its answer."""

import re
import time

from starlette.types import Receive, Scope

from loan_default.api.envelope import Answer, success
from loan_default.api.loaded import Face
from loan_default.api.online import Online
from loan_default.errors import InvalidHeader, InvalidQuery

# Lets a caller find or erase what was decided on an applicant, by a name of the caller's own choice.
REFERENCE_HEADER = b"x-applicant-reference"
_REFERENCE = re.compile(rb"[A-Za-z0-9._:-]{1,64}").fullmatch

_WITH_REASONS = {b"": False, b"reasons=true": True, b"reasons=false": False}


class Predict:
    """Scores one applicant."""

    def __init__(self, online: Online) -> None:
        self._online = online
        self._face = Face("rest")

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer one call."""
        loaded = self._online.require_loaded()  # without one, say so before looking at the body
        with_reasons = _WITH_REASONS.get(scope["query_string"])
        if with_reasons is None:
            raise InvalidQuery("The only query parameter is `reasons`, and it must be `true` or `false`.")
        reference_of(scope)
        applicant = await loaded.reader.read(scope, receive)
        started = time.perf_counter()
        score = await loaded.scorer.submit(applicant, with_reasons)
        self._face.seconds.observe(time.perf_counter() - started)
        data = loaded.answer(score, None, self._face)
        if score.reasons is not None:
            data["reasons"] = [reason.model_dump() for reason in score.reasons]
        return success(data, "Scored.")


def reference_of(scope: Scope) -> str:
    """The reference that the caller gave to the applicant, or nothing.

    Raises:
        InvalidHeader: it is too long, or holds what could forge a log line.
    """
    for name, value in scope["headers"]:
        if name == REFERENCE_HEADER:
            if not _REFERENCE(value):
                raise InvalidHeader("X-Applicant-Reference must be 1 to 64 letters, digits or any of `. _ : -`.")
            return str(value.decode("ascii"))
    return ""
