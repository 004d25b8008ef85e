"""What the calls answer, as types: the document for callers is made of these.

The hot path writes its answers without them; `tests/e2e/test_fuzz.py` holds both together.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from loan_default.api.loaded import Prediction
from loan_default.reasons import MOST_REASONS, Reason


class Explained(Prediction):
    """The same with its reasons, when they were asked for."""

    reasons: list[Reason] = Field(
        default_factory=list, max_length=MOST_REASONS, description="With `reasons=true`: the most important first."
    )


class ModelInfo(BaseModel):
    """Which model answers, where it comes from and how good it is."""

    name: str = Field(description="Its name in the model registry.")
    version: str = Field(description="Its version there.")
    alias: str = Field(description="The stage that is served.")
    tag: str = Field(description="Its tag in BentoML's store.")
    run_id: str = Field(description="The MLflow run that made it.")
    created_at: datetime = Field(description="When it was trained.")
    model_type: str = Field(description="What it is, in a few words.")
    features: list[str] = Field(description="The columns of an applicant.")
    engineered_features: list[str] = Field(description="What is computed from them.")
    threshold: float = Field(description="From this probability on, `prediction` is 1.")
    medium_from: float = Field(description="From this probability on, `default_risk` is at least Medium.")
    policy: dict[str, object] = Field(description="How the threshold was chosen.")
    metrics: dict[str, float] = Field(description="Figures measured in training.")


class ReadAs(BaseModel):
    """How a portfolio is read, stated by the caller or found."""

    kind: Literal["csv", "parquet", "json"]
    gzipped: bool = Field(description="Whether a CSV is compressed.")
    csv: dict[str, object] | None = Field(description="Separator, decimal mark, encoding and missing values of a CSV.")
    columns: dict[str, str] = Field(description="The declared columns, and the header that stands for each.")
    missing: list[str] = Field(description="Declared columns that are not there, and need not be.")
    carried: list[str] = Field(description="Columns that only pass through to the results.")
    notes: list[str] = Field(description="What was found rather than stated, in sentences.")


class ListedJob(BaseModel):
    """How a job stands."""

    job_id: str = Field(description="Its id, the same on both faces.", pattern="^[0-9a-f]{32}$")
    key_id: str = Field(description="The name of the key that made it.")
    status: Literal["PENDING", "PROGRESS", "SUCCESS", "FAILURE", "CANCELLED"]
    message: str = Field(description="The same in a sentence.")
    progress: int = Field(ge=0, le=100, description="In percent.")
    total_predictions: int = Field(ge=0, description="Rows of the portfolio.")
    completed: int = Field(ge=0, description="Rows that are scored.")
    rejected: int = Field(ge=0, description="Rows that cannot be scored.")
    rows_per_second: float | None = Field(description="While it runs.")
    seconds_left: float | None = Field(description="While it runs, about.")
    error: str | None = Field(description="Why it failed.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="When its files are removed.")
    model_version: str = Field(description="The version of the model that scores it, the same for all rows.")
    results_url: str | None = Field(description="Where the scored rows are, once it is finished.")
    rejects_url: str | None = Field(description="Where the rows that could not be scored are.")
    summary_url: str | None = Field(description="Where the job is in figures.")


class BatchJob(ListedJob):
    """How a job stands, and how its portfolio is read."""

    success: Literal[True]
    read_as: ReadAs | None = None
    results: list[dict[str, object]] | None = Field(
        None, description="The scored rows, once it is finished and when there are at most 1,000."
    )


class BatchJobs(BaseModel):
    """Several jobs, the newest first."""

    success: Literal[True]
    jobs: list[ListedJob]


class Task(BaseModel):
    """How a job stands, as BentoML's clients read it."""

    task_id: str = Field(description="The job's id, the same on both faces.")
    status: Literal["pending", "in_progress", "completed", "failed", "canceled"]
    created_at: datetime
    executed_at: datetime | None
    completed_at: datetime | None
    message: str = Field(description="The status in a sentence.")
    progress: int = Field(ge=0, le=100, description="In percent.")
    rows: int = Field(ge=0, description="Of the portfolio.")
    rows_done: int = Field(ge=0, description="Scored or rejected.")
    rows_rejected: int = Field(ge=0, description="Rows that cannot be scored.")
    rows_per_second: float | None
    seconds_left: float | None
    error: str | None = Field(description="Why it failed.")
    model_version: str


class Alive(BaseModel):
    """The process runs."""

    status: Literal["alive"]


class Ready(BaseModel):
    """A model is loaded."""

    status: Literal["ready"]
    model_version: str = Field(description="Version in the model registry.")


class NotReady(BaseModel):
    """No model is loaded."""

    status: Literal["not ready"]
    message: str = Field(description="Why, and what to do about it.")


class NativeError(BaseModel):
    """How BentoML's own face says that something went wrong."""

    error: str = Field(description="What went wrong, in a sentence.")
