"""BentoML's own face: the type that `predict` takes, the gate in front of it, and the model that a Bento packs.

BentoML batches the lists of concurrent callers into one call of `predict`. So each row must answer for itself: it is
checked alone, a bad one becomes a `Refusal` in its place, and it remembers the call that it came with.
"""

from contextvars import ContextVar
from typing import Annotated, Any, Literal, NamedTuple

import bentoml
import click
import msgspec
from bentoml.exceptions import NotFound
from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.api.bodies import ApplicantReader, read_limited, require_json
from loan_default.api.call import Call, call_of
from loan_default.api.envelope import Header, refusal
from loan_default.api.loaded import Prediction
from loan_default.api.online import Online
from loan_default.api.records import record_all
from loan_default.errors import LoanDefaultError, ModelUnavailable
from loan_default.rate_limit import UNLIMITED, headers
from loan_default.schema.applicant import Encoder
from loan_default.security.caller import CALLER

# Room for the longest list of the widest applicants.
MAX_LIST_BYTES = 4 * 1024 * 1024
MAX_LIST = 1000

# BentoML's own routes, as far as they are worth a label in the metrics.
NATIVE_PATHS = ("/", "/predict", "/schema.json", "/docs.json")
_PREDICT = "/predict"


class Refusal(BaseModel):
    """What stands in the place of an applicant that cannot be scored."""

    error: Literal["invalid_applicant"] = "invalid_applicant"
    message: str = Field(description="What is wrong, and what would be right.")
    details: list[dict[str, Any]] = Field(description="The same by field: field, problem, allowed.")


class Row(NamedTuple):
    """An applicant of a list, or why there is none, and the call that it came with."""

    applicant: BaseModel | None
    refusal: Refusal | None
    call: Call


# The call that is being answered, for the rows that BentoML makes of its body.
_call: ContextVar[Call] = ContextVar("call")
_NO_CALL = Call("", "", "")


class NativeFace:
    """Answers `predict` for rows of several calls at once."""

    def __init__(self, online: Online) -> None:
        self._online = online
        models = online.models
        self._reader = ApplicantReader(models.schema, models.applicant_model, Encoder(models.schema))

    def argument(self) -> Any:
        """The type of `predict`'s argument: a list of 1 to `MAX_LIST` applicants, each checked alone.

        In BentoML's schema and documentation it is a list of applicants.
        """
        applicant: Any = self._online.models.applicant_model
        row: Any = Annotated[applicant, WrapValidator(self._checked)]
        return Annotated[list[row], Field(min_length=1, max_length=MAX_LIST)]

    async def predict(self, rows: list[Row]) -> list[Prediction | Refusal]:
        """An answer for each row, in the same order.

        Raises:
            ModelUnavailable, DecisionLogUnavailable: nothing can be answered now.
        """
        loaded = self._online.require_loaded()
        answers: list[Prediction | Refusal | None] = [row.refusal for row in rows]
        good: list[tuple[int, list[float]]] = []  # places in the list, and what is scored there
        for i, row in enumerate(rows):
            if row.applicant is not None:
                try:
                    good.append((i, loaded.row(row.applicant)))
                except ValidationError as error:
                    answers[i] = self._refusal(error)
        scores = loaded.scorer.score([numbers for _, numbers in good], "native") if good else []
        calls = [rows[i].call for i, _ in good]
        ids = await record_all(self._online.log, loaded, scores, calls)
        for (i, _), score, decision_id in zip(good, scores, ids, strict=True):
            answers[i] = Prediction.model_construct(**loaded.answer(score, decision_id))
        return [answer for answer in answers if answer is not None]

    def _checked(self, given: Any, check: ValidatorFunctionWrapHandler) -> Row:
        call = _call.get(_NO_CALL)
        try:
            checked = check(given)
        except ValidationError as error:
            return Row(None, self._refusal(error), call)
        # BentoML applies an annotation of list elements twice, one inside the other.
        return checked if isinstance(checked, Row) else Row(checked, None, call)

    def _refusal(self, error: ValidationError) -> Refusal:
        said = self._reader.explained(error)
        return Refusal(message=said.message, details=[dict(detail) for detail in said.details])


class _List(msgspec.Struct):
    applications: list[msgspec.Raw]


class NativeGate:
    """ASGI middleware in front of BentoML's router: bounds bodies, and counts the applicants of a list."""

    def __init__(self, app: ASGIApp, online: Online) -> None:
        self._app = app
        self._online = online

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        allowance = UNLIMITED
        try:
            if scope["path"] == _PREDICT:
                self._online.require_loaded()
                require_json(scope)
                _call.set(call_of(scope))
            body = await read_limited(receive, MAX_LIST_BYTES)
            if scope["path"] == _PREDICT:
                allowance = await self._online.limits.take(scope[CALLER].key_id, rows_in(body))
        except LoanDefaultError as error:
            await refusal(error, scope["path"])(scope, receive, send)
            return
        except ClientDisconnect:
            return
        await self._app(scope, _replayed(body, receive), _with_headers(send, headers(allowance)))


def rows_in(body: bytes) -> int:
    """How many applicants a body of `predict` holds; 1 for what is no such list, which BentoML refuses."""
    try:
        return max(1, len(_decode(body).applications))
    except msgspec.DecodeError:
        return 1


_decode = msgspec.json.Decoder(_List).decode


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, then whatever comes next."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return first.pop() if first else await receive()

    return replayed


def _with_headers(send: Send, more: list[Header]) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *more]
        await send(message)

    return sent


def packed_model(online: Online) -> bentoml.models.BentoModel | None:
    """The promoted model, as the class attribute that makes `bentoml build` pack it; None when there is none.

    Raises:
        ModelUnavailable: `bentoml build` was called, and it would make a Bento without a model.
    """
    models = online.models
    problem = models.problem
    if models.served is not None:
        try:
            bentoml.models.get(models.served.tag)
            return bentoml.models.BentoModel(models.served.tag)
        except NotFound as error:  # BentoML was started with another BENTOML_HOME
            problem = str(error)
    if _building():
        raise ModelUnavailable(f"The Bento would carry no model; use `make bento`, or export BENTOML_HOME. {problem}")
    return None


def _building() -> bool:
    """Whether this import is part of `bentoml build`, whose command line is a click program."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "build"
