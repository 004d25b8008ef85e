"""A loaded model and the answers that follow from its scores: one reference, so that parts of two models never mix."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from loan_default.api.bodies import ApplicantReader
from loan_default.api.scorer import Score, Scorer
from loan_default.api.traced import TracedScorer
from loan_default.decision import Band
from loan_default.drift_link import Sampler
from loan_default.schema.applicant import Encoder
from loan_default.schema.columns import Value
from loan_default.served import REGISTERED_NAME, Served

if TYPE_CHECKING:
    from loan_default.model import LoanModel
    from loan_default.tracing import Tracing


class Prediction(BaseModel):
    """The answer for one applicant."""

    prediction: int = Field(
        description="1 = declined: the probability is at or above the model's threshold.", ge=0, le=1
    )
    probability: float = Field(description="Calibrated probability of default.", ge=0, le=1)
    default_risk: Band = Field(description="High is exactly prediction 1; Medium starts at half the threshold.")
    threshold: float = Field(description="Where prediction 1 begins.")
    model_version: str = Field(description="Version in the model registry.")
    features_used: dict[str, Value] = Field(
        description="What the model saw, derived features included; null where it saw no value."
    )
    decision_id: str | None = Field(
        description="Finds this prediction in the decision log; null when there is no log (DECISION_LOG=off)."
    )


class Loaded:
    """A model that answers, with what its answers need at hand.

    Attributes:
        reader: turns the body of a REST request into a row for the scorer.
        applicant_model: the request type of the model's columns.
        encoder: makes a row of numbers of an applicant of that type.
    """

    def __init__(
        self,
        served: Served,
        model: "LoanModel",
        applicant_model: type[BaseModel],
        sampler: Sampler | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        self.served = served
        self.model = model
        self.scorer = (
            Scorer(model, sampler) if tracing is None else TracedScorer(model, sampler, tracing, served.version)
        )
        self.applicant_model = applicant_model
        self.encoder = Encoder(model.schema)
        self.reader = ApplicantReader(model.schema, self.applicant_model, self.encoder)
        self._shown = self.encoder.shown
        self._threshold = model.decision.threshold
        self._version = served.version

    def row(self, applicant: BaseModel) -> list[float]:
        """The row of an applicant that was validated when the service was declared, perhaps by another model's type.

        Raises:
            ValidationError: a model that breaks no caller does not take this one all the same.
        """
        if not isinstance(applicant, self.applicant_model):
            given = applicant.model_dump(by_alias=True, exclude_unset=True)
            applicant = self.applicant_model.model_validate(given)
        return self.encoder.row(applicant)

    def answer(self, score: Score, decision_id: str | None) -> dict[str, Any]:
        """The fields of the `Prediction` that follows from a score."""
        return {
            "prediction": int(score.pd >= self._threshold),
            "probability": score.pd,
            "default_risk": self.model.decision.band(score.pd),
            "threshold": self._threshold,
            "model_version": self._version,
            "features_used": self._shown(score.features),
            "decision_id": decision_id,
        }

    def info(self) -> dict[str, object]:
        """What `GET /api/v1/model/info` says of the model itself."""
        schema, about, decision = self.model.schema, self.model.about, self.model.decision
        return {
            "name": REGISTERED_NAME,
            "version": self.served.version,
            "tag": self.served.tag,
            "run_id": about.run_id,
            "created_at": about.created_at.isoformat(),
            "model_type": about.model_type,
            "features": schema.column_names,
            "engineered_features": schema.derived_names,
            "threshold": decision.threshold,
            "medium_from": decision.medium_from,
            "policy": decision.policy.model_dump(),
            "metrics": about.metrics,
        }
