"""What came of a job, in figures."""

from typing import Literal

from loan_default.decision import Stored
from loan_default.psi import Drift


class Summary(Stored):
    """The summary of a finished job.

    Attributes:
        rows, scored, rejected: of the source.
        bands: how many scored rows have each risk band.
        declined: how many have `prediction` 1.
        mean_pd: over the scored rows; None without any.
        pd_quantiles: by share ("0.05", "0.5", …), to the width of a bin of the histogram.
        pd_histogram: scored rows by PD, in 100 bins of equal width.
        rejects_by_reason: rejected rows by column and reason.
        unknown_categories: values scored as missing, by column.
        drift: against the training population, by feature and for the PD (as `PD`); None when the model does not
            carry it.
        model_version, model_run_id: what scored them.
        seconds: of scoring.
        live_samples: rows that the drift monitor took into its live window; left out unless the caller asked for that.
        format: of the file; the first is not written down.
    """

    rows: int
    scored: int
    rejected: int
    bands: dict[str, int]
    declined: int
    mean_pd: float | None
    pd_quantiles: dict[str, float]
    pd_histogram: list[int]
    rejects_by_reason: dict[str, int]
    unknown_categories: dict[str, int]
    drift: dict[str, Drift] | None
    model_version: str
    model_run_id: str
    seconds: float
    live_samples: int | None = None
    format: Literal[1] | None = None

    def as_kept(self) -> bytes:
        """The content of its file."""
        unsaid = {"format"} if self.live_samples is not None else {"format", "live_samples"}
        return self.model_dump_json(indent=2, exclude=unsaid).encode()
