"""What one worker process holds to answer with: the model, its scorer, the keys. Empty until `start`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger
from pydantic import BaseModel, Field

from loan_default.api.scorer import Score, Scorer
from loan_default.decision import Band
from loan_default.errors import LoanDefaultError, ModelUnavailable
from loan_default.metrics import MODEL_INFO, PREDICTION_SECONDS, PREDICTIONS, RESULTS, count_unknown_category
from loan_default.schema import DEFAULT_SCHEMA, load_schema
from loan_default.schema.applicant import Encoder, applicant_model
from loan_default.schema.columns import Value
from loan_default.security import Keys, load_keys
from loan_default.served import REGISTERED_NAME, Following, Served, find_served
from loan_default.settings import Settings

if TYPE_CHECKING:
    from loan_default.model import LoanModel


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


class Loaded:
    """A model that answers, with what its answers need at hand; one reference, so that parts never mix."""

    def __init__(self, served: Served, model: "LoanModel") -> None:
        self.served = served
        self.model = model
        self.scorer = Scorer(model)
        self._shown = Encoder(model.schema).shown

    def answer(self, score: Score, face: str) -> Prediction:
        """The answer that follows from a score; counts it."""
        decision = self.model.decision
        band = decision.band(score.pd)
        PREDICTIONS.labels(face).inc()
        RESULTS.labels(band).inc()
        return Prediction.model_construct(
            prediction=int(score.pd >= decision.threshold),
            probability=score.pd,
            default_risk=band,
            threshold=decision.threshold,
            model_version=self.served.version,
            features_used=self._shown(score.features),
        )

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


class Online:
    """The state of one online worker.

    Attributes:
        served: the model to answer with, found once, when the service is declared; None when there is none.
        problem: why there is no loaded model, and what to do about it.
        schema: that model's columns; the default ones while there is no model.
        applicant_model: the request type built from them, for both faces.
        encoder: makes a row of numbers of an applicant of that type.
    """

    def __init__(self, settings: Settings, source: Path) -> None:
        self._settings = settings
        self._keys = Keys([])
        self._loaded: Loaded | None = None
        self.served: Served | None = None
        self.problem = "The server is starting."
        self.schema = load_schema(DEFAULT_SCHEMA)
        self._following = Following(settings, source)
        try:
            self.served = find_served(settings, source)
            self.schema = load_schema(self.served.model_folder / "schema.json")
        except LoanDefaultError as error:  # an unreadable model is refused for good when it is loaded
            self.problem = error.message
        self.applicant_model = applicant_model(self.schema, count_unknown_category)
        self.encoder = Encoder(self.schema)

    def start(self) -> None:
        """Load keys and model. Without a model the worker starts all the same, is not ready, and says why."""
        self._keys, key_file = load_keys(self._settings)
        if key_file is not None:
            logger.info("No API_KEY is set: the key that callers need is in {}", key_file)
        try:
            self._load()
        except LoanDefaultError as error:
            self.problem = error.message
        if self._loaded is None:
            logger.error("Not ready: {}", self.problem)

    def keys(self) -> Keys:
        """The keys that are valid now."""
        return self._keys

    def require_loaded(self) -> Loaded:
        """The loaded model; raises ModelUnavailable with the reason when there is none."""
        if self._loaded is None:
            raise ModelUnavailable(self.problem)
        return self._loaded

    async def predict_one(self, applicant: Sequence[float]) -> Prediction:
        """Answer the REST face for one validated applicant: its columns in the schema's order."""
        loaded = self.require_loaded()
        with PREDICTION_SECONDS.labels("rest").time():
            score = await loaded.scorer.submit(applicant)
        return loaded.answer(score, "rest")

    def predict_many(self, applicants: Sequence[Sequence[float]]) -> list[Prediction]:
        """Answer BentoML's own face for a list of validated applicants, at least one."""
        loaded = self.require_loaded()
        with PREDICTION_SECONDS.labels("native").time():
            scores = loaded.scorer.score(applicants)
        return [loaded.answer(score, "native") for score in scores]

    def model_info(self) -> dict[str, object]:
        """What `GET /api/v1/model/info` says."""
        return {**self.require_loaded().info(), "alias": self._settings.model_stage}

    def _load(self) -> None:
        if self.served is None:
            return
        from loan_default.model import LoanModel  # XGBoost takes a second, and the supervisor does without it

        self._loaded = Loaded(self.served, LoanModel.load(self.served.model_folder))
        version, stage = self.served.version, self._settings.model_stage
        MODEL_INFO.labels(REGISTERED_NAME, version, stage).set(1)
        logger.info("Serving {} (version {}, {})", self.served.tag, version, stage)
