"""`POST /api/v1/predict`: the hot path, from a request to its answer."""

from starlette.types import Receive, Scope

from loan_default.api.call import call_of
from loan_default.api.envelope import Answer, success
from loan_default.api.online import Online
from loan_default.errors import InvalidQuery
from loan_default.rate_limit import headers

_WITH_REASONS = {b"": False, b"reasons=true": True, b"reasons=false": False}


class Predict:
    """Scores one applicant."""

    def __init__(self, online: Online) -> None:
        self._online = online

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer one call.

        The key's limit is used before the body is read: what is wrong costs as much as what is right.
        """
        online = self._online
        loaded = online.require_loaded()  # without one, say so before looking at anything else
        with_reasons = _WITH_REASONS.get(scope["query_string"])
        if with_reasons is None:
            raise InvalidQuery("The only query parameter is `reasons`, and it must be `true` or `false`.")
        call = call_of(scope)
        allowance = await online.limits.take(call.key_id, 1)
        applicant = await loaded.reader.read(scope, receive)
        [score] = await loaded.scorer.submit([applicant], "rest", with_reasons)
        [decision_id] = await online.record(online.log, loaded, "rest", [score], call)
        data = loaded.answer(score, decision_id)
        if score.reasons is not None:
            data["reasons"] = [reason.model_dump() for reason in score.reasons]
        return success(data, "Scored.", headers(allowance))
