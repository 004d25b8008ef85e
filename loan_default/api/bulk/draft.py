"""A job that is being handed in, and the portfolio that came with it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loan_default.api.bulk.options import Options
from loan_default.api.loaded import Loaded
from loan_default.schema import Schema
from loan_default.security.caller import Caller
from loan_default.settings import Settings

if TYPE_CHECKING:
    from loan_default.bulk.order import Written
    from loan_default.jobs.job import Job
    from loan_default.storage import Folder


# The name of a portfolio in the folder of its job.
SOURCE_NAME = "source"


@dataclass(frozen=True)
class Draft:
    """A job that is being handed in.

    Attributes:
        loaded: the model that answers now, and will score it.
        folder_name, folder: where its files are to be; nobody else's, though another worker may take in the same job.
        before: the job that an earlier call with the same Idempotency-Key made.
    """

    job_id: str
    caller: Caller
    loaded: Loaded
    settings: Settings
    folder_name: str
    folder: "Folder"
    before: "Job | None"

    @property
    def schema(self) -> Schema:
        """What the model takes."""
        return self.loaded.model.schema

    @property
    def folder_to_fill(self) -> "Folder | None":
        """Where the portfolio is to be kept; None when it is there from an earlier call."""
        return self.folder if self.before is None else None


@dataclass(frozen=True)
class Source:
    """A portfolio that is there: in the job's folder under `name`, or elsewhere at `uri`; never both.

    Attributes:
        digest: of what was sent, options included.
    """

    written: "Written"
    options: Options
    digest: str
    name: str | None = None
    uri: str | None = None
