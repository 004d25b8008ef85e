"""How far a job has come, told after each chunk."""

from typing import Literal

from loan_default.decision import Stored

Stage = Literal["scoring", "writing", "done"]


class Progress(Stored):
    """A job's progress.

    Attributes:
        stage: `scoring` while chunks are scored, `writing` while results are put together, `done`.
        rows_done: rows of the source that are dealt with, scored or rejected.
        rows_rejected: of those, how many could not be scored.
        seconds: of scoring, over all starts of the job.
    """

    stage: Stage
    rows_done: int
    rows_rejected: int
    seconds: float
