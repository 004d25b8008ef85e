"""From a file on this machine to an accepted job, for the command line; callers over HTTP have `api/bulk/`."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from loan_default.bulk.file_name import written_by_name
from loan_default.bulk.inspect import inspect
from loan_default.bulk.order import Written
from loan_default.errors import BulkInputError
from loan_default.jobs.job import Job, JobView
from loan_default.jobs.jobs import Jobs
from loan_default.jobs.model_copy import keep_model
from loan_default.schema import load_schema
from loan_default.served import Served

_BLOCK_BYTES: Final = 1 << 20


def hand_in(  # noqa: PLR0913  # what may be said of a job
    jobs: Jobs, path: Path, served: Served, key_id: str, *, reasons: bool = False, live_drift: bool = False
) -> JobView:
    """Copy a portfolio, and the model that is to score it, into a folder of its own, and make a job of them.

    Whoever may do this on the machine is held to no number of rows or jobs.

    Raises:
        BulkInputError: it is not there, or cannot be scored.
        JobsUnavailable: it cannot be kept.
    """
    written = _written(path)
    job_id = jobs.new_id(key_id, None)
    folder = jobs.draft_folder(job_id)
    try:
        digest = hashlib.sha256()
        with path.open("rb") as source, folder.writing("source") as target:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
                target.write(block)
        keep_model(served.model_folder, folder)
        schema = load_schema(served.model_folder / "schema.json")
        job = Job(
            job_id=job_id,
            key_id=key_id,
            created_at=datetime.now(UTC),
            inspected=inspect(folder.place("source"), schema, written, reasons=reasons),
            source_name="source",
            source_uri=None,
            model_tag=served.tag,
            model_version=served.version,
            request_digest=digest.hexdigest(),
            live_drift=live_drift,
        )
        return jobs.submit(job)
    except BaseException:
        jobs.forget(job_id, job_id)
        raise


def _written(path: Path) -> Written:
    """How a file is written, by its name."""
    written = written_by_name(path.name)
    if written is None or (written.gzipped and written.kind != "csv"):
        raise BulkInputError(f"{path.name} must end in .csv, .csv.gz, .parquet or .jsonl.")
    if not path.is_file():
        raise BulkInputError(f"There is no file {path.name}.")
    return written
