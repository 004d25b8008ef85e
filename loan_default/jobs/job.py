"""A job: what was asked, by whom, and how it stands."""

import re
from datetime import datetime
from typing import Final, Literal

from loan_default.bulk.inspect import Inspected
from loan_default.decision import Stored

JOB_ID: Final = re.compile(r"[0-9a-f]{32}")

State = Literal["PENDING", "PROGRESS", "SUCCESS", "FAILURE", "CANCELLED"]


class Job(Stored):
    """What was asked: kept as `job.json` in the job's folder, written once.

    Attributes:
        job_id: 32 hex digits.
        key_id: who asked; only that key, and those with the scope `operate`, see the job.
        created_at: when it was accepted.
        inspected: the source as it was looked at, with the order.
        source_name: the name of the file in the folder; None when the source stands at `source_uri`.
        source_uri: where it stands instead.
        model_tag, model_version: what scores it; its files are the job's own copy, under `model/`.
        request_digest: sha256 of what was sent, by which a repeated Idempotency-Key with another body is noticed.
        traceparent: the call that handed it in, where calls are traced.
    """

    job_id: str
    key_id: str
    created_at: datetime
    inspected: Inspected
    source_name: str | None
    source_uri: str | None
    model_tag: str
    model_version: str
    request_digest: str
    traceparent: str | None = None

    def as_kept(self) -> bytes:
        """The content of `job.json`; readers of before know of no trace, so nothing is said where there is none."""
        return self.model_dump_json(exclude={"traceparent"} if self.traceparent is None else None).encode()


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
