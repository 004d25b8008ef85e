"""The REST face of bulk jobs: everything under `/api/v1/predict/batch`."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from loan_default.api.bulk.files import MEDIA_TYPES, Files
from loan_default.api.bulk.intake import Accepted, Intake
from loan_default.api.bulk.options import FILE_OPTIONS, options_of, query_of
from loan_default.api.bulk.portfolios import MAX_NAMED_BYTES, Listed, Named, Portfolio, Uploaded, is_json, whole_body
from loan_default.api.bulk.routes import (
    BATCH_CALLS,
    BATCH_PATH,
    FILE_PATH,
    JOB_PATH,
    batch_route,
    require_method_of,
)
from loan_default.api.bulk.shown import job_fields
from loan_default.api.envelope import json_answer, refusal, success
from loan_default.api.online import Online
from loan_default.errors import InvalidQuery, JobConflict, LoanDefaultError, MalformedBody, NoSuchCall
from loan_default.json_body import check_headers
from loan_default.security.caller import CALLER, Caller

if TYPE_CHECKING:
    from loan_default.jobs.job import JobView

_ACCEPTED = 202
# A finished job of so few rows is shown with its results.
_SHOWN_ROWS = 1_000
_LISTED, _MOST_LISTED = 100, 1_000
# What becomes of cells of a CSV that a spreadsheet would run.
_FORMULAS = ("text", "keep")

Handler = Callable[[Scope, Receive, str], Awaitable[ASGIApp]]


class BatchFace:
    """Answers the calls under `/api/v1/predict/batch`."""

    def __init__(self, online: Online, intake: Intake) -> None:
        self._settings = online.settings
        self._access = online.jobs
        self._files = Files(online)
        self._intake = intake
        self._handlers: dict[tuple[str, str], Handler] = {
            (BATCH_PATH, "GET"): self._list,
            (BATCH_PATH, "POST"): self._listed,
            (FILE_PATH, "POST"): self._sent,
            (JOB_PATH, "GET"): self._show,
            (JOB_PATH, "DELETE"): self._cancel,
            (f"{JOB_PATH}/results", "GET"): self._results,
            (f"{JOB_PATH}/rejects", "GET"): self._rejects,
            (f"{JOB_PATH}/summary", "GET"): self._summary,
            (f"{JOB_PATH}/retry", "POST"): self._retry,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        try:
            answer = await self._answer(scope, receive)
        except LoanDefaultError as error:
            answer = refusal(error, scope["path"])
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> ASGIApp:
        route = batch_route(scope["path"])
        if route is None:
            raise NoSuchCall
        require_method_of(scope["method"], BATCH_CALLS[route.template])
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        return await self._handlers[route.template, method](scope, receive, route.job_id)

    async def _listed(self, scope: Scope, receive: Receive, _: str) -> ASGIApp:
        """A list of applicants in the body becomes a job."""
        return await self._accept(scope, Listed(scope, receive, "predictions"))

    async def _sent(self, scope: Scope, receive: Receive, _: str) -> ASGIApp:
        """A file, or where one stands, becomes a job."""
        portfolio: Portfolio
        if is_json(scope):
            portfolio = await _named(scope, receive)
        else:
            portfolio = Uploaded(scope, receive, "file", self._settings.job_max_upload_bytes)
        return await self._accept(scope, portfolio)

    async def _accept(self, scope: Scope, portfolio: Portfolio) -> ASGIApp:
        accepted: Accepted = await self._intake.accept(scope, portfolio)
        return json_answer(job_fields(accepted.view, accepted.inspected), _ACCEPTED)

    async def _list(self, scope: Scope, _: Receive, __: str) -> ASGIApp:
        """The latest jobs of the caller; of all keys with the scope `operate`."""
        given = query_of(scope["query_string"], ("limit",)).get("limit", str(_LISTED))
        if not (given.isascii() and given.isdecimal() and len(given) <= 4 and 1 <= int(given) <= _MOST_LISTED):
            raise InvalidQuery(f"`limit` must be a whole number from 1 to {_MOST_LISTED:,}.")
        caller: Caller = scope[CALLER]
        key_id = None if "operate" in caller.scopes else caller.key_id
        views = await self._access.run(lambda jobs: jobs.views(key_id, int(given)))
        return json_answer({"success": True, "jobs": [_without_success(view) for view in views]})

    async def _show(self, scope: Scope, _: Receive, job_id: str) -> ASGIApp:
        """How a job stands; with its results when there are few."""
        query_of(scope["query_string"], ())
        view = await self._view(scope, job_id)
        fields = job_fields(view, await self._access.inspected(job_id))
        if view.status == "SUCCESS" and view.total_predictions <= _SHOWN_ROWS:
            fields["results"] = msgspec.Raw(await self._files.results_as_json(view))  # as it is: it is JSON already
        return json_answer(fields)

    async def _cancel(self, scope: Scope, _: Receive, job_id: str) -> ASGIApp:
        """Stop a job."""
        query_of(scope["query_string"], ())
        return json_answer(job_fields(await self._access.cancel(await self._view(scope, job_id))))

    async def _retry(self, scope: Scope, _: Receive, job_id: str) -> ASGIApp:
        """Let a job that failed or was cancelled go on."""
        query_of(scope["query_string"], ())
        return json_answer(job_fields(await self._access.retry(await self._view(scope, job_id))), _ACCEPTED)

    async def _results(self, scope: Scope, _: Receive, job_id: str) -> ASGIApp:
        """The scored rows, as a file."""
        query = query_of(scope["query_string"], ("format", "formulas"))
        form = query.get("format", "json")
        if form not in MEDIA_TYPES:
            raise InvalidQuery(f"`format` must be one of {', '.join(MEDIA_TYPES)}.")
        formulas = query.get("formulas", "text")
        if formulas not in _FORMULAS or ("formulas" in query and form != "csv"):
            raise InvalidQuery(f"`formulas` must be one of {', '.join(_FORMULAS)}, and is said with `format=csv`.")
        view = await self._view_finished(scope, job_id)
        return await self._files.results(view, cast("Any", form), scope[CALLER], cast("Any", formulas))

    async def _rejects(self, scope: Scope, _: Receive, job_id: str) -> ASGIApp:
        """The rows that could not be scored, and why, as a CSV."""
        query_of(scope["query_string"], ())
        return await self._files.rejects(await self._view_finished(scope, job_id), scope[CALLER])

    async def _summary(self, scope: Scope, _: Receive, job_id: str) -> ASGIApp:
        """What came of a job, in figures."""
        query_of(scope["query_string"], ())
        view = await self._view_finished(scope, job_id)
        return success(msgspec.Raw(await self._files.summary(view)), "The job in figures.")

    async def _view(self, scope: Scope, job_id: str) -> "JobView":
        return await self._access.view(job_id, scope[CALLER])

    async def _view_finished(self, scope: Scope, job_id: str) -> "JobView":
        view = await self._view(scope, job_id)
        if view.status != "SUCCESS":
            raise JobConflict(f"The job has no results: {view.message}")
        return view


async def _named(scope: Scope, receive: Receive) -> Named:
    """What a JSON body says of where a portfolio stands."""
    check_headers(scope, MAX_NAMED_BYTES)
    query = query_of(scope["query_string"], FILE_OPTIONS)
    try:
        given = msgspec.json.decode(await whole_body(receive, MAX_NAMED_BYTES), type=dict[str, str | bool])
        uri = given.pop("uri")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        uri = None
    if not isinstance(uri, str):
        raise MalformedBody('The body must be JSON, {"uri": "…"}, with the options of a file beside it.')
    return Named(uri, options_of({**query, **given}))


def _without_success(view: "JobView") -> dict[str, Any]:
    fields = job_fields(view)
    del fields["success"]
    return fields
