"""A job: what was asked, by whom, and how it stands."""

import re
from datetime import datetime
from typing import Final, Literal

from loan_default.bulk.inspect import Inspected
from loan_default.decision import Stored

JOB_ID: Final = re.compile(r"[0-9a-f]{32}")
JOB_FILE: Final = "job.json"

State = Literal["PENDING", "PROGRESS", "SUCCESS", "FAILURE", "CANCELLED"]


class Job(Stored):
    """What was asked: kept as `job.json` in the job's folder, written once.

    Attributes:
        job_id: 32 hex digits.
        folder_id: the name of its folder, 32 hex digits, when that is not its id: those who hand in one Idempotency-Key
            share an id, and each fills a folder of its own, of which the queue takes one.
        key_id: who asked; only that key, and those with the scope `operate`, see the job.
        created_at: when it was accepted.
        inspected: the source as it was looked at, with the order.
        source_name: the name of the file in the folder; None when the source stands at `source_uri`.
        source_uri: where it stands instead.
        model_tag, model_version: what scores it; its files are the job's own copy, under `model/`.
        request_digest: sha256 of what was sent, by which a repeated Idempotency-Key with another body is noticed.
        live_drift: whether a sample of its rows enters the drift monitor's live window.
        traceparent: the call that handed it in, where calls are traced.
    """

    job_id: str
    folder_id: str | None = None
    key_id: str
    created_at: datetime
    inspected: Inspected
    source_name: str | None
    source_uri: str | None
    model_tag: str
    model_version: str
    request_digest: str
    live_drift: bool = False
    traceparent: str | None = None

    def as_kept(self) -> bytes:
        """The content of `job.json`, without what was not asked for: workers of an earlier version read it, too."""
        unasked = {name for name in ("folder_id", "live_drift", "traceparent") if not getattr(self, name)}
        return self.model_dump_json(exclude=unasked).encode()

    @property
    def folder_name(self) -> str:
        """The name of its folder."""
        return self.folder_id or self.job_id


class JobView(Stored):
    """How a job stands, as both faces show it.

    Attributes:
        status: as the REST face calls it.
        message: the same in a sentence.
        progress: 0 to 100.
        total_predictions, completed, rejected: rows of the source, those scored, those that could not be.
        rows_per_second, seconds_left: while it runs; None before and after.
        error: why it failed.
        expires_at: when its files are removed.
    """

    job_id: str
    key_id: str
    status: State
    message: str
    progress: int
    total_predictions: int
    completed: int
    rejected: int
    rows_per_second: float | None
    seconds_left: float | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    model_version: str
