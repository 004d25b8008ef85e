"""The order of bulk scoring: source → chunks → parts → results. Everything it did is found again after any end."""

from collections.abc import Callable
from dataclasses import dataclass

from loan_default.bulk.order import BulkOrder
from loan_default.bulk.progress import Progress
from loan_default.bulk.summary import Summary
from loan_default.model import LoanModel
from loan_default.storage import Folder, Place

# The files that a finished job has. `results.parquet` has all scored rows in the source's order.
RESULTS, REJECTS, SUMMARY = "results.parquet", "rejects.csv", "summary.json"


@dataclass(frozen=True)
class Work:
    """One portfolio being scored.

    Attributes:
        order: what is to be done.
        source: the portfolio.
        folder: where parts and results are kept, and found again.
        model: what scores it, the same for the whole job.
        model_version: its version in the registry, which stands in each scored row.
        threads: how many chunks are worked on at once.
    """

    order: BulkOrder
    source: Place
    folder: Folder
    model: LoanModel
    model_version: str
    threads: int


class Stopped(Exception):
    """It was asked to stop; what is done is kept, and the next run goes on there."""


def run(work: Work, told: Callable[[Progress], None], stop: Callable[[], bool]) -> Summary:
    """Score what is left to score and put the results together; done already, it only says so.

    Args:
        work: what to do.
        told: is told the progress after each chunk, from this thread.
        stop: asked between chunks; True ends it with Stopped.

    Raises:
        Stopped: as asked.
        BulkInputError: the source cannot be read, or is not what was inspected.
        OSError: the folder cannot be written (a full disk); a later run goes on from there.
    """
    raise NotImplementedError
