"""The REST face: `/api/v1/…`, health and metrics, answered before BentoML's own router is asked.

It is an ASGI middleware rather than a mounted app, because health and metrics must answer in our shape (BentoML's own
routes for them would win over a mount), and because unknown paths under `/api/` are ours to refuse.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from loguru import logger
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from loan_default import metrics
from loan_default.api.bodies import ApplicantReader
from loan_default.api.envelope import API_PREFIX, failure, success
from loan_default.api.online import Online
from loan_default.errors import LoanDefaultError, ModelUnavailable, NoSuchCall, WrongMethod

# Every path of the REST face: the method it takes, and the method of `RestFace` that answers.
_CALLS = {
    "/api/v1/predict": ("POST", "predict"),
    "/api/v1/model/info": ("GET", "model_info"),
    "/healthz": ("GET", "alive"),
    "/livez": ("GET", "alive"),
    "/readyz": ("GET", "ready"),
    "/metrics": ("GET", "metrics"),
}
REST_PATHS = tuple(_CALLS)


class RestFace:
    """Answers the REST calls; everything else goes on to BentoML."""

    def __init__(self, app: ASGIApp, online: Online) -> None:
        self._native = app
        self._online = online
        self._reader = ApplicantReader(online.schema, online.applicant_model, online.encoder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] != "http" or not (scope["path"].startswith(API_PREFIX) or scope["path"] in _CALLS):
            await self._native(scope, receive, send)
            return
        try:
            response = await self._answer(Request(scope, receive))
        except LoanDefaultError as error:
            response = failure(error)
        except ClientDisconnect:
            logger.debug("The caller went away before its body had arrived")
            return
        except Exception:  # noqa: BLE001  # the last resort: log it, answer in our shape
            logger.exception("Unexpected error")
            response = failure(LoanDefaultError("Something went wrong here; the log has the details."))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        call = _CALLS.get(request.scope["path"])
        if call is None:
            raise NoSuchCall("There is no such call; /openapi.json lists the calls there are.")
        method, name = call
        if request.method != method and (request.method, method) != ("HEAD", "GET"):
            raise WrongMethod(method)
        handler: Callable[[Request], Awaitable[Response]] = getattr(self, name)
        return await handler(request)

    async def predict(self, request: Request) -> Response:
        """Score one applicant."""
        self._online.require_loaded()  # without one, say so before looking at the body
        prediction = await self._online.predict_one(await self._reader.read(request))
        return success(prediction.model_dump(), "Scored.")

    async def model_info(self, _: Request) -> Response:
        """Which model answers, where it comes from and how good it is."""
        return success(self._online.model_info(), "The model that answers predictions.")

    async def alive(self, _: Request) -> Response:
        """The process runs."""
        return JSONResponse({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        """A model is loaded; otherwise 503, with what to do about it."""
        try:
            version = self._online.require_loaded().served.version
            return JSONResponse({"status": "ready", "model_version": version})
        except ModelUnavailable as error:
            return JSONResponse({"status": "not ready", "message": error.message}, HTTPStatus.SERVICE_UNAVAILABLE)

    async def metrics(self, _: Request) -> Response:
        """Prometheus metrics of all workers."""
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)
