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
