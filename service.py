"""The Bento's services, put together: endpoints only, no logic.

    bentoml serve service:LoanDefault

BentoML fixes workers, timeouts and request types when a service class is declared, so this file, unlike every other
module, reads the settings and the served model's columns when it is imported.
"""

import gc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml
from bentoml.exceptions import ServiceUnavailable
from pydantic import BaseModel

from loan_default.api.docs_page import DOCS_PATHS, Documentation
from loan_default.api.envelope import render_error
from loan_default.api.native import MAX_LIST_BYTES, NATIVE_PATHS, LimitedBody, batch_argument, packed_model
from loan_default.api.native_calls import NativeCalls
from loan_default.api.observe import Observe
from loan_default.api.online import Online, Prediction
from loan_default.api.openapi import document
from loan_default.api.rest import REST_PATHS, RestFace
from loan_default.errors import ModelUnavailable
from loan_default.logs import configure_logging
from loan_default.security import KeyRequired
from loan_default.settings import read_settings

_TIMEOUT_S = 10
_MAX_BATCH = 1000

_settings = read_settings()
_online = Online(_settings, Path(__file__).resolve().parent)
if TYPE_CHECKING:
    Applications = list[BaseModel]
else:
    Applications = batch_argument(_online.applicant_model, _MAX_BATCH)


@bentoml.service(
    name="LoanDefault",
    workers=_settings.workers,
    traffic={"timeout": _TIMEOUT_S},
    metrics={"enabled": False},  # BentoML's label every request by its raw path: a stranger could create series
    logging={"access": {"enabled": False}},  # `Observe` logs what failed, with the request id
    tracing={"excluded_urls": ".*"},  # its middleware costs more than a prediction, exporter or not
    runner_probe={"enabled": False},  # readiness is the model's, not that of the services beside it
)
class LoanDefault:
    """Calibrated probabilities of default for loan applicants."""

    packed = packed_model(_online)

    def __init__(self) -> None:
        configure_logging(_settings)
        _online.start()
        # What was loaded stays for good: keep it out of every later garbage collection.
        gc.collect()
        gc.freeze()

    @bentoml.api(batchable=True, max_batch_size=_MAX_BATCH, max_latency_ms=_TIMEOUT_S * 1000)  # type: ignore[untyped-decorator]
    async def predict(self, applications: Applications) -> list[Prediction]:
        """Score a list of applicants; the answers come in the same order."""
        rows = [_online.encoder.row(application) for application in applications]
        try:
            return _online.predict_many(rows)
        except ModelUnavailable as error:
            raise ServiceUnavailable(error.message) from error


# From the outside in: every call is observed, then asked for a key, then answered by the REST face, the
# documentation or BentoML.
for _middleware, _options in (
    (Observe, {"routes": [*REST_PATHS, *NATIVE_PATHS, *DOCS_PATHS]}),
    (KeyRequired, {"keys": _online.keys, "render": render_error}),
    (RestFace, {"online": _online}),
    (Documentation, {"document": partial(document, _online.applicant_model, _online.schema.example, _MAX_BATCH)}),
    (NativeCalls, {}),
    (LimitedBody, {"most": MAX_LIST_BYTES}),
):
    LoanDefault.add_asgi_middleware(_middleware, **_options)  # type: ignore[attr-defined]  # it is a Service by now
