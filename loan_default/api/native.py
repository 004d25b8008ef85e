"""BentoML's own face: `POST /predict`, a list in and a list out, as BentoML's clients call it.

BentoML's dispatcher makes batches by waiting for more callers, up to 70 ms for one who is alone, and a bad row fails
its whole batch. So a list is answered here, by the scorer that both faces share: it scores together what arrives in
the same turn of the event loop, and waits for nobody (docs/decisions/0013). Each row is checked alone, and a bad one
becomes a `Refusal` in its place. The method that BentoML declares is for its schema, and for callers in this process.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.api.call import Call, call_of
from loan_default.api.envelope import Answer, json_answer, refusal
from loan_default.api.loaded import Loaded, Prediction
from loan_default.api.online import Online
from loan_default.api.scorer import Score
from loan_default.errors import Busy, InvalidApplicant, LoanDefaultError, MalformedBody
from loan_default.json_body import check_headers, read_limited
from loan_default.rate_limit import headers

# Room for the longest list of the widest applicants.
MAX_LIST_BYTES = 4 * 1024 * 1024
MAX_LIST = 1000
# Applicants of all lists that a worker has in hand, so that the last of them is answered within about half a second.
MOST_ROWS = 20_000
# Bytes of their bodies that a worker has in hand: a thousand callers at once could otherwise fill the machine's memory.
MOST_BYTES = 128 * 1024 * 1024
# Rows are checked at a stretch up to so many bytes: a few milliseconds at most, in which other callers wait.
_STRETCH_BYTES = 32 * 1024
_LONGEST_REASON = 200
_LEAST_OF_A_ROW = 128  # the shortest one makes work, too

PREDICT_PATH = "/predict"
_IN_PROCESS = Call("", "in-process", "")


class Detail(BaseModel):
    """What is wrong with one field, and what would be right."""

    field: str = Field(description="The field's name.")
    problem: str = Field(description="What is wrong with it.")
    allowed: str = Field(description="What would be right.")


class Refusal(BaseModel):
    """What stands in the place of an applicant that cannot be scored; the others of the list are."""

    error: Literal["invalid_applicant"] = Field("invalid_applicant", description="A code to switch on.")
    message: str = Field(description="What is wrong, in a sentence.")
    details: list[Detail] = Field(description="One for each wrong field.")


class _List(msgspec.Struct, forbid_unknown_fields=True):
    applications: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MAX_LIST)]


_decode = msgspec.json.Decoder(_List).decode


class NativeFace:
    """Answers `POST /predict`; everything else goes on to BentoML."""

    def __init__(self, app: ASGIApp, online: Online) -> None:
        self._app = app
        self._online = online
        self._rows_in_hand = 0
        self._bytes_in_hand = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] != "http" or (scope["path"], scope["method"]) != (PREDICT_PATH, "POST"):
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive)
        except LoanDefaultError as error:
            answer = refusal(error, PREDICT_PATH)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        loaded = self._online.require_loaded()
        call = call_of(scope)
        check_headers(scope, MAX_LIST_BYTES)
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            more = len(message.get("body", b""))
            arrived += more
            self._bytes_in_hand += more
            if self._bytes_in_hand > MOST_BYTES:
                raise Busy("Too much is being sent at once; try again in a second.")
            return message

        try:
            return await self._answer_rows(_rows(await read_limited(counted, MAX_LIST_BYTES)), loaded, call)
        finally:
            self._bytes_in_hand -= arrived

    async def _answer_rows(self, rows: Sequence[bytes], loaded: Loaded, call: Call) -> Answer:
        allowance = await self._online.limits.take(call.key_id, len(rows))
        if self._rows_in_hand + len(rows) > MOST_ROWS:
            raise Busy("Too many applicants at once; try again in a second.")
        self._rows_in_hand += len(rows)
        try:
            answers = await self._score(loaded, rows, call)
        finally:
            self._rows_in_hand -= len(rows)
        return json_answer(answers, headers=headers(allowance))

    async def _score(self, loaded: Loaded, rows: Sequence[bytes], call: Call) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        places: list[int] = []
        good: list[list[float]] = []
        checked = 0
        for i, row in enumerate(rows):
            checked += max(len(row), _LEAST_OF_A_ROW)
            if checked > _STRETCH_BYTES:
                checked = 0
                await asyncio.sleep(0)
            try:
                good.append(loaded.reader.parse(row))
            except (InvalidApplicant, MalformedBody) as error:
                answers.append({"error": InvalidApplicant.code, "message": error.message, "details": error.details})
            else:
                places.append(i)
                answers.append({})
        if good:
            scores = await loaded.scorer.submit(good, "native")
            ids = await self._online.record(self._online.log, loaded, "native", scores, call)
            for i, score, decision_id in zip(places, scores, ids, strict=True):
                answers[i] = loaded.answer(score, decision_id)
        return answers


async def predict_in_process(online: Online, applications: Sequence[BaseModel]) -> list[Prediction | Refusal]:
    """An answer for each validated applicant of a caller in this process.

    Raises:
        ModelUnavailable, DecisionLogUnavailable: nothing can be answered now.
    """
    loaded = online.require_loaded()
    scores: list[Score] = await loaded.scorer.submit([loaded.row(one) for one in applications], "native")
    ids = await online.record(online.log, loaded, "native", scores, _IN_PROCESS)
    return [Prediction(**loaded.answer(*pair)) for pair in zip(scores, ids, strict=True)]


def argument(applicant: type[BaseModel]) -> Any:
    """The type of `predict`'s argument: a list of 1 to `MAX_LIST` applicants."""
    return Annotated[list[applicant], Field(min_length=1, max_length=MAX_LIST)]  # type: ignore[valid-type]


def _rows(body: bytes) -> list[bytes]:
    """The applicants of a body, unread.

    Raises:
        MalformedBody: it is no list of 1 to `MAX_LIST`, or two of them.
    """
    try:
        rows = [bytes(row) for row in _decode(body).applications]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedBody(
            f'The body must be JSON, {{"applications": [ … ]}} with 1 to {MAX_LIST:,} applicants: {_why(error)}.'
        ) from None
    # JSON allows a name twice, and readers disagree on which counts. Outside of the rows there is one name.
    if body.count(b":") != 1 + sum(row.count(b":") for row in rows):
        names = [name for name, _ in json.loads(body, object_pairs_hook=list)]
        if len(names) > 1:
            raise MalformedBody("`applications` is given more than once; give it once.")
    return rows


def _why(error: Exception) -> str:
    """What is wrong, with nothing that was sent but the beginning of a name that is not known."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:_LONGEST_REASON]
