"""The REST face: `/api/v1/…`, health and metrics, answered before BentoML's own router is asked.

It is an ASGI middleware rather than a mounted app, because health and metrics must answer in our shape (BentoML's own
routes for them would win over a mount), because unknown paths under `/api/` are ours to refuse, and because it is
several times cheaper.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from loguru import logger
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from loan_default import metrics
from loan_default.api.bulk.rest import BatchFace
from loan_default.api.bulk.routes import BATCH_PATH
from loan_default.api.call import require_method
from loan_default.api.envelope import API_PREFIX, Answer, encoded, json_answer, refusal, success
from loan_default.api.online import Online
from loan_default.api.predict import Predict
from loan_default.drift_link.messages import SAID
from loan_default.errors import LoanDefaultError, ModelUnavailable, NoSuchCall

Handler = Callable[[Scope, Receive], Awaitable[Answer]]

# Every path of the REST face with the method it takes.
_METHODS = {
    "/api/v1/predict": "POST",
    "/api/v1/model/info": "GET",
    "/api/v1/model/reload": "POST",
    "/api/v1/drift": "GET",
    "/api/v1/drift/report": "GET",
    "/healthz": "GET",
    "/livez": "GET",
    "/readyz": "GET",
    "/metrics": "GET",
}
REST_PATHS = tuple(_METHODS)

# The page brings everything with it; whatever were in it, it could load nothing, send nothing and ask nobody.
_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'self'; sandbox allow-scripts",
    "X-Content-Type-Options": "nosniff",
}


class RestFace:
    """Answers the REST calls; everything else goes on to BentoML.

    `batch` answers those of bulk jobs, whose paths hold ids.
    """

    def __init__(self, app: ASGIApp, online: Online, batch: BatchFace) -> None:
        self._native = app
        self._batch = batch
        self._online = online
        self._handlers: dict[str, Handler] = {
            "/api/v1/predict": Predict(online).answer,
            "/api/v1/model/info": self._model_info,
            "/api/v1/model/reload": self._reload,
            "/api/v1/drift": self._drift,
            "/api/v1/drift/report": self._drift_report,
            "/healthz": self._alive,
            "/livez": self._alive,
            "/readyz": self._ready,
            "/metrics": self._metrics,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        path = scope["path"] if scope["type"] == "http" else ""
        handler = self._handlers.get(path)
        if handler is None and not path.startswith(API_PREFIX):
            await self._native(scope, receive, send)
            return
        if handler is None and path.startswith(BATCH_PATH):
            await self._batch(scope, receive, send)
            return
        try:
            answer = await self._answer(handler, scope, receive)
        except LoanDefaultError as error:
            answer = refusal(error, path)
        except ClientDisconnect:
            logger.debug("The caller went away before its body had arrived")
            return
        await answer(scope, receive, send)

    @staticmethod
    async def _answer(handler: Handler | None, scope: Scope, receive: Receive) -> Answer:
        if handler is None:
            raise NoSuchCall
        require_method(scope["method"], _METHODS[scope["path"]])
        return await handler(scope, receive)

    async def _model_info(self, _: Scope, __: Receive) -> Answer:
        """Which model answers, where it comes from and how good it is."""
        return success(self._online.model_info(), "The model that answers predictions.")

    async def _reload(self, _: Scope, __: Receive) -> Answer:
        """Take up the model that is promoted now, in all workers."""
        before = self._online.models.loaded
        after = await self._online.models.take_up(for_all=True)
        told = "was already answering" if after is before else "answers from now on"
        return success(self._online.model_info(), f"Version {after.served.version} {told}.")

    async def _drift(self, _: Scope, __: Receive) -> Answer:
        """Whether the applicants have changed."""
        verdict = await self._online.drift.verdict()
        return success(verdict.model_dump(mode="json"), SAID[verdict.status])

    async def _drift_report(self, _: Scope, __: Receive) -> Answer:
        """The same as a page for people."""
        page = await self._online.drift.report()
        return Answer(page.encode(), headers=encoded(_PAGE_HEADERS))

    async def _alive(self, _: Scope, __: Receive) -> Answer:
        """The process runs."""
        return json_answer({"status": "alive"})

    async def _ready(self, _: Scope, __: Receive) -> Answer:
        """A model is loaded and the server is not about to stop; otherwise 503, with what to do about it."""
        try:
            version = self._online.require_ready().served.version
            return json_answer({"status": "ready", "model_version": version})
        except ModelUnavailable as error:
            return json_answer({"status": "not ready", "message": error.message}, HTTPStatus.SERVICE_UNAVAILABLE)

    async def _metrics(self, _: Scope, __: Receive) -> Answer:
        """Prometheus metrics of all workers."""
        return Answer(metrics.render(), headers=[(b"content-type", metrics.CONTENT_TYPE.encode())])
