"""From a call to an accepted job: keep the portfolio, look at it, put the model beside it, hand the job in.

A call that ends in any other way leaves nothing behind: what it has kept is removed, whatever ended it.
"""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from starlette.types import Scope

from loan_default.api.bulk.access import translated
from loan_default.api.bulk.draft import Draft, Source
from loan_default.api.bulk.portfolios import Portfolio
from loan_default.api.call import is_safe_name
from loan_default.api.online import Online
from loan_default.drift_link.link import require_drift_sampled
from loan_default.errors import InvalidHeader, JobConflict, NoSuchJob
from loan_default.security.caller import require_scope

if TYPE_CHECKING:
    from loan_default.bulk.inspect import Inspected
    from loan_default.jobs.job import Job, JobView

# A compressed portfolio unpacks to so many times the longest upload at most.
_MOST_UNPACKED = 4
_IDEMPOTENCY_KEY = b"idempotency-key"


class Accepted(NamedTuple):
    """A job that was taken, now or by an earlier call with the same Idempotency-Key, and how its portfolio is read."""

    view: "JobView"
    inspected: "Inspected"


class Intake:
    """Takes portfolios in, for both faces."""

    def __init__(self, online: Online) -> None:
        self._online = online
        self._access = online.jobs
        self._under_way: set[str] = set()

    async def accept(self, scope: Scope, portfolio: Portfolio) -> Accepted:
        """Make a job of a portfolio.

        Raises:
            MissingScope, ModelUnavailable, InvalidHeader, Busy, TooManyJobs: nothing can be taken from this caller now.
            JobConflict: the Idempotency-Key stands for something else.
            InvalidQuery: it asks for what is off here.
            BulkInputError: it cannot be scored; and what else `portfolio` raises.
            JobsUnavailable: it cannot be kept.
        """
        caller = require_scope(scope, "score")
        key = _idempotency_key(scope)
        with self._access.transfer(caller, portfolio.places), self._online.in_progress.without_deadline():
            job_id = await self._access.run(lambda jobs: jobs.new_id(caller.key_id, key))
            with self._alone(job_id):
                async with self._draft(job_id, scope, shared=key is not None) as draft:
                    with translated():
                        source = await portfolio.keep(draft, self._access.disk)
                    if source.options.live_drift:
                        require_drift_sampled(self._online.settings)
                    return await (self._submit(draft, source) if draft.before is None else self._again(draft, source))

    @contextmanager
    def _alone(self, job_id: str) -> Iterator[None]:
        if job_id in self._under_way:
            raise JobConflict("Another call with this Idempotency-Key is being answered; wait for it.")
        self._under_way.add(job_id)
        try:
            yield
        finally:
            self._under_way.discard(job_id)

    @asynccontextmanager
    async def _draft(self, job_id: str, scope: Scope, *, shared: bool) -> AsyncIterator[Draft]:
        """What a job is made of; what it has kept is removed when it ends with an error, unless it became the job.

        Args:
            job_id: of the job.
            scope: of the call.
            shared: whether others may be handing in the same id.
        """
        caller = require_scope(scope, "score")
        loaded = self._online.require_loaded()
        before = await self._access.run(lambda jobs: jobs.job(job_id))
        if before is None:
            await self._access.run(lambda jobs: jobs.require_room(caller.key_id))
        name = uuid.uuid4().hex if shared else job_id
        folder = await self._access.run(lambda jobs: jobs.draft_folder(name))
        try:
            yield Draft(job_id, caller, loaded, self._online.settings, name, folder, before)
        except BaseException:
            if before is None:
                await self._access.run(lambda jobs: jobs.forget(job_id, name))
            raise

    async def _again(self, draft: Draft, source: Source) -> Accepted:
        """The job that an earlier call made, if it was the same call."""
        before = draft.before or await self._access.run(lambda jobs: jobs.job(draft.job_id))
        view = await self._access.run(lambda jobs: jobs.view(draft.job_id))
        if before is None or view is None:
            raise NoSuchJob
        if before.request_digest != source.digest:
            raise JobConflict("This Idempotency-Key was used for another portfolio, or with other options.")
        return Accepted(view, before.inspected)

    async def _submit(self, draft: Draft, source: Source) -> Accepted:
        inspected = await self._access.inspection.run(_inspect, draft, source)
        await self._access.run(lambda _: _keep_model(draft))
        tracing = self._online.tracing
        job = _job(draft, source, inspected, None if tracing is None else tracing.traceparent())
        view = await self._access.run(lambda jobs: jobs.submit(job))
        if (
            job.folder_id is None
            or await self._access.run(lambda jobs: jobs.folder_name(draft.job_id)) == job.folder_id
        ):
            return Accepted(view, inspected)
        # Another worker was faster with a call of the same Idempotency-Key.
        await self._access.run(lambda jobs: jobs.forget(draft.job_id, draft.folder_name))
        return await self._again(draft, source)


def _idempotency_key(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _IDEMPOTENCY_KEY:
            if not is_safe_name(value):
                raise InvalidHeader("Idempotency-Key must be 1 to 64 letters, digits or any of `. _ : -`.")
            return str(value.decode("ascii"))
    return None


def _inspect(draft: Draft, source: Source) -> "Inspected":
    """Look at a portfolio."""
    from loan_default.bulk.inspect import inspect
    from loan_default.jobs.sources import place_of

    with translated():
        place = draft.folder.place(source.name or "") if source.uri is None else place_of(source.uri, draft.settings)
        return inspect(
            place,
            draft.schema,
            source.written,
            most_rows=draft.settings.job_max_rows,
            most_bytes=_MOST_UNPACKED * draft.settings.job_max_upload_bytes,
            reasons=source.options.reasons,
        )


def _keep_model(draft: Draft) -> None:
    """Put the model that will score a portfolio beside it."""
    from loan_default.jobs.model_copy import keep_model

    keep_model(draft.loaded.served.model_folder, draft.folder)


def _job(draft: Draft, source: Source, inspected: "Inspected", traceparent: str | None) -> "Job":
    from loan_default.jobs.job import Job

    return Job(
        job_id=draft.job_id,
        folder_id=None if draft.folder_name == draft.job_id else draft.folder_name,
        key_id=draft.caller.key_id,
        created_at=datetime.now(UTC),
        inspected=inspected,
        source_name=source.name,
        source_uri=source.uri,
        model_tag=draft.loaded.served.tag,
        model_version=draft.loaded.served.version,
        request_digest=source.digest,
        live_drift=source.options.live_drift,
        traceparent=traceparent,
    )
