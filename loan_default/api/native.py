"""What BentoML must know when the service is declared: the type `predict` takes, and the model that a Bento packs."""

from http import HTTPStatus
from typing import Annotated, Any

import bentoml
import click
from bentoml.exceptions import BentoMLException, NotFound
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.api.online import Online
from loan_default.errors import ModelUnavailable

# Room for the longest list of the widest applicants.
MAX_LIST_BYTES = 4 * 1024 * 1024

# BentoML's own routes, as far as they are worth a label in the metrics.
NATIVE_PATHS = ("/", "/predict", "/schema.json", "/docs.json")


def batch_argument(applicant: type[BaseModel], most: int) -> Any:
    """The type of BentoML's `predict` argument: a list of 1 to `most` applicants."""
    return Annotated[list[applicant], Field(min_length=1, max_length=most)]  # type: ignore[valid-type]


def packed_model(online: Online) -> bentoml.models.BentoModel | None:
    """The promoted model, as the class attribute that makes `bentoml build` pack it; None when there is none.

    Raises:
        ModelUnavailable: `bentoml build` was called, and it would make a Bento without a model.
    """
    problem = online.problem
    if online.served is not None:
        try:
            bentoml.models.get(online.served.tag)
            return bentoml.models.BentoModel(online.served.tag)
        except NotFound as error:  # BentoML was started with another BENTOML_HOME
            problem = str(error)
    if _building():
        raise ModelUnavailable(f"The Bento would carry no model; use `make bento`, or export BENTOML_HOME. {problem}")
    return None


class LimitedBody:
    """ASGI middleware in front of BentoML's router: no body over `most` bytes is read, whatever length it announces."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most:
                # BentoML answers its own exceptions in its own shape.
                raise BentoMLException(
                    f"The body is larger than {self._most:,} bytes.", error_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                )
            return message

        await self._app(scope, limited if scope["type"] == "http" else receive, send)


def _building() -> bool:
    """Whether this import is part of `bentoml build`, whose command line is a click program."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "build"
