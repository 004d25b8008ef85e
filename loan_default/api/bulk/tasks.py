"""BentoML's face of bulk jobs: the verbs of the task `score`, as BentoML's clients call them.

BentoML runs tasks within the process that was asked, and forgets them when the server starts again. So the verbs are
answered here, from the same jobs as the REST face; what BentoML declares is for its schema.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from loan_default.api.bulk.files import Files
from loan_default.api.bulk.intake import Intake
from loan_default.api.bulk.options import JSON_OPTIONS, query_of
from loan_default.api.bulk.portfolios import Listed, Portfolio, Uploaded, is_json
from loan_default.api.bulk.routes import TASK_CALLS, TASK_PATH
from loan_default.api.bulk.shown import task_fields
from loan_default.api.call import require_method
from loan_default.api.envelope import json_answer, refusal
from loan_default.api.online import Online
from loan_default.errors import InvalidQuery, JobConflict, LoanDefaultError
from loan_default.security.caller import CALLER

_BAD_REQUEST = 400
_UNFINISHED = {"PENDING", "PROGRESS"}

Handler = Callable[[Scope, Receive], Awaitable[ASGIApp]]


class TaskFace:
    """Answers the verbs of the task; everything else goes on to BentoML."""

    def __init__(self, app: ASGIApp, online: Online, intake: Intake) -> None:
        self._app = app
        self._most_bytes = online.settings.job_max_upload_bytes
        self._access = online.jobs
        self._files = Files(online)
        self._intake = intake
        self._handlers: dict[str, Handler] = {
            f"{TASK_PATH}/submit": self._submit,
            f"{TASK_PATH}/status": self._status,
            f"{TASK_PATH}/get": self._get,
            f"{TASK_PATH}/retry": self._retry,
            f"{TASK_PATH}/cancel": self._cancel,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        handler = self._handlers.get(scope["path"]) if scope["type"] == "http" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        try:
            require_method(scope["method"], TASK_CALLS[scope["path"]])
            answer = await handler(scope, receive)
        except LoanDefaultError as error:
            answer = refusal(error, scope["path"])
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _submit(self, scope: Scope, receive: Receive) -> ASGIApp:
        """A file in a form, as BentoML's client sends it, or a list in JSON, becomes a job."""
        portfolio: Portfolio
        if is_json(scope):
            portfolio = Listed(scope, receive, "applications", in_query=(), in_body=JSON_OPTIONS)
        else:
            portfolio = Uploaded(scope, receive, "portfolio", self._most_bytes, json_fields=True)
        accepted = await self._intake.accept(scope, portfolio)
        return json_answer(task_fields(accepted.view))

    async def _status(self, scope: Scope, _: Receive) -> ASGIApp:
        """How a job stands."""
        return json_answer(task_fields(await self._access.view(_task_id(scope), scope[CALLER])))

    async def _get(self, scope: Scope, _: Receive) -> ASGIApp:
        """The scored rows, as a Parquet file."""
        view = await self._access.view(_task_id(scope), scope[CALLER])
        if view.status in _UNFINISHED:
            return _not_completed(view.job_id)
        if view.status != "SUCCESS":
            raise JobConflict(f"The task has no results: {view.error or view.message}")
        return await self._files.results(view, "parquet", scope[CALLER])

    async def _retry(self, scope: Scope, _: Receive) -> ASGIApp:
        """Let a job that failed or was cancelled go on; its id stays."""
        view = await self._access.view(_task_id(scope), scope[CALLER])
        if view.status in _UNFINISHED:
            return _not_completed(view.job_id)
        return json_answer(task_fields(await self._access.retry(view)))

    async def _cancel(self, scope: Scope, _: Receive) -> ASGIApp:
        """Stop a job."""
        view = await self._access.view(_task_id(scope), scope[CALLER])
        return json_answer(task_fields(await self._access.cancel(view)))


def _task_id(scope: Scope) -> str:
    task_id = query_of(scope["query_string"], ("task_id",)).get("task_id")
    if not task_id:
        raise InvalidQuery("`task_id` is missing: the id that `submit` answered with.")
    return task_id


def _not_completed(job_id: str) -> ASGIApp:
    """As BentoML says it: 400 rather than 409."""
    return json_answer({"error": f"task {job_id} is not completed yet"}, _BAD_REQUEST)
