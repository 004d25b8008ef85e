"""What the online workers and the drift monitor say to each other, as types.

Numbers travel as base64 of their bytes: a tenth of the time of JSON numbers, exact, and nothing to unpickle.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from loan_default.reference import Reference

# Rows in one message; a worker with more of them sends several.
MOST_ROWS = 10_000

Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
Status = Literal["waiting", "gathering", "quiet", "drift"]

# Each status in a sentence.
SAID: Mapping[Status, str] = {
    "waiting": "No prediction was sampled yet.",
    "gathering": "There are too few samples for a verdict yet.",
    "quiet": "The applicants are spread as in the reference, as far as can be told.",
    "drift": "The applicants differ from the reference.",
}

_FEATURES = np.dtype("<f4")
_PD = np.dtype("<f8")


class Introduction(BaseModel):
    """A model that the monitor does not know yet.

    Attributes:
        tag: in BentoML's store; no two models share one.
        version: in the model registry.
        features: their names in the model's order.
        nominal: for each, whether it is a code without an order.
        reference: the training rows in bins; None for a model of an earlier version.
        words: what the values 0, 1, … of features stand for, by name; numbers are not in it.
    """

    tag: Tag
    version: str
    features: list[str]
    nominal: list[bool]
    words: dict[str, list[str]] = Field(default_factory=dict)
    reference: Reference | None = None


class Rows(BaseModel):
    """Scored rows: features, little-endian float32, row by row, and PDs, float64, as base64."""

    rows: Annotated[int, Field(ge=1, le=MOST_ROWS)]
    features: str
    pd: str

    @classmethod
    def of(cls, features: NDArray[np.float32], pd: NDArray[np.float64], **more: object) -> Self:
        """Pack (n, number of features) and (n,), 1 ≤ n ≤ `MOST_ROWS`; `more` are the fields of a batch."""
        packed = [base64.b64encode(part.tobytes()).decode() for part in (features.astype(_FEATURES), pd.astype(_PD))]
        return cls.model_validate({"rows": len(pd), "features": packed[0], "pd": packed[1], **more})

    def arrays(self, columns: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Features, (n, columns), and PDs, (n,).

        Raises:
            ValueError: the lengths are not those of so many rows and columns, or it is no base64.
        """
        try:
            features = np.frombuffer(base64.b64decode(self.features, validate=True), dtype=_FEATURES)
            pd = np.frombuffer(base64.b64decode(self.pd, validate=True), dtype=_PD)
        except ValueError as error:
            raise ValueError("a batch is base64 of numbers") from error
        if len(pd) != self.rows or len(features) != self.rows * columns:
            raise ValueError(f"a batch of {self.rows} rows has {columns} features and a PD for each")
        return features.reshape(self.rows, columns), pd


class Batch(Rows):
    """Samples of one model.

    Attributes:
        tag: of the model.
        online: whether it answered them online; False for rows of a job.
    """

    tag: Tag
    online: bool = True


class ColumnDrift(BaseModel):
    """How far one feature, or the PD, is from the reference."""

    psi: float = Field(description="The population stability index of the window against the reference.")
    critical: float = Field(description="What it stays under by chance, for so many rows in so many bins.")
    over: bool = Field(description="Whether it is over the threshold and over the critical value in this check.")
    drifted: bool = Field(description="Whether an alarm is on: it is not raised by an accident, nor cleared by one.")
    since: datetime | None = Field(description="When the alarm was raised; null when there is none.")


class ReferenceFacts(BaseModel):
    """What the applicants are compared with."""

    kind: Literal["training", "live"] = Field(description="The model's training rows, or the first live samples.")
    rows: int = Field(description="Rows of each feature; 0 while live ones are gathered.")
    pd_rows: int = Field(description="Rows of the PD: the training's hold-out, or the same live samples.")
    note: str = Field(description="Why it is not the reference that was asked for; empty when it is.")


class WindowFacts(BaseModel):
    """Which samples are compared."""

    size: int = Field(description="How many there are at most (DRIFT_WINDOW_SIZE).")
    samples: int = Field(description="How many there are.")
    least: int = Field(description="From how many on there is a verdict.")
    oldest: datetime | None = Field(description="When the first of them was taken.")
    newest: datetime | None = Field(description="When the last of them was taken.")


class TrendPoint(BaseModel):
    """One check."""

    at: datetime = Field(description="When it was.")
    samples: int = Field(description="Samples in the window then.")
    psi: dict[str, float] = Field(description="The index of each feature and of the PD.")
    critical: dict[str, float] = Field(description="What chance would explain.")
    drifted: list[str] = Field(description="Those with an alarm.")


class Verdict(BaseModel):
    """Whether the applicants have changed."""

    status: Status = Field(
        description="`waiting` for a first sample, `gathering` samples or a reference, `quiet`, or `drift`."
    )
    drift_detected: bool = Field(description="Whether any alarm is on.")
    since: datetime | None = Field(description="Since when that is so; null before the first check.")
    model_version: str | None = Field(description="Version of the model whose applicants these are.")
    model_tag: str | None = Field(description="Its tag in BentoML's store.")
    threshold: float = Field(description="The index from which a shift matters (DRIFT_PSI_THRESHOLD).")
    false_alarms: float = Field(description="How often chance alone may be over the critical value, in one check.")
    checked_at: datetime | None = Field(description="When they were compared last.")
    reference: ReferenceFacts | None = Field(description="What they are compared with.")
    window: WindowFacts = Field(description="Which samples are compared.")
    columns: dict[str, ColumnDrift] = Field(description="Each feature, derived ones included, and the PD (`PD`).")
    trend: list[TrendPoint] = Field(description="The latest checks, the oldest first.")
