"""What one worker process holds to answer with: the model, its scorer, the keys. Empty until `start`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger
from pydantic import BaseModel, Field

from loan_default.api.scorer import Score, Scorer
from loan_default.decision import Band
from loan_default.errors import LoanDefaultError, ModelFileError, ModelUnavailable
from loan_default.metrics import MODEL_INFO, PREDICTION_SECONDS, PREDICTIONS, RESULTS
from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema
from loan_default.security import Keys, load_keys
from loan_default.served import REGISTERED_NAME, Served, find_served
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
    features_used: dict[str, int | float] = Field(description="The numbers the model saw, derived ones included.")


class Online:
    """The state of one online worker."""

    def __init__(self, settings: Settings, source: Path) -> None:
        self._settings = settings
        self._source = source
        self._keys = Keys([])
        self._served: Served | None = None
        self._model: LoanModel | None = None
        self._scorer: Scorer | None = None
        self._problem = "The server is starting."
        self.schema = self._declared_schema()

    def find_served(self) -> Served:
        """The model to answer with, loaded or not; raises ModelUnavailable with the reason when there is none."""
        return find_served(self._settings, self._source)

    def start(self) -> None:
        """Load keys and model. Without a model the worker starts all the same, is not ready, and says why."""
        self._keys, key_file = load_keys(self._settings)
        if key_file is not None:
            logger.info("No API_KEY is set: the key that callers need is in {}", key_file)
        try:
            self._load()
        except LoanDefaultError as error:
            self._problem = error.message
            logger.error("Not ready: {}", error.message)

    def keys(self) -> Keys:
        """The keys that are valid now."""
        return self._keys

    def require_model(self) -> "LoanModel":
        """The loaded model; raises ModelUnavailable with the reason when there is none."""
        if self._model is None:
            raise ModelUnavailable(self._problem)
        return self._model

    def _require_scorer(self) -> Scorer:
        if self._scorer is None:
            raise ModelUnavailable(self._problem)
        return self._scorer

    @property
    def version(self) -> str:
        """The loaded model's version in the registry; empty without a model."""
        return "" if self._served is None else self._served.version

    async def predict_one(self, applicant: Sequence[float]) -> Prediction:
        """Answer the REST face for one validated applicant: its columns in the schema's order."""
        with PREDICTION_SECONDS.labels("rest").time():
            score = await self._require_scorer().submit(applicant)
        return self._answer(score, "rest")

    def predict_many(self, applicants: Sequence[Sequence[float]]) -> list[Prediction]:
        """Answer BentoML's own face for a list of validated applicants, at least one."""
        with PREDICTION_SECONDS.labels("native").time():
            scores = self._require_scorer().score(applicants)
        return [self._answer(score, "native") for score in scores]

    def model_info(self) -> dict[str, object]:
        """What `GET /api/v1/model/info` says."""
        model = self.require_model()
        about, decision = model.about, model.decision
        return {
            "name": REGISTERED_NAME,
            "version": self.version,
            "alias": self._settings.model_stage,
            "tag": "" if self._served is None else self._served.tag,
            "run_id": about.run_id,
            "created_at": about.created_at.isoformat(),
            "model_type": about.model_type,
            "features": self.schema.column_names,
            "engineered_features": self.schema.derived_names,
            "threshold": decision.threshold,
            "medium_from": decision.medium_from,
            "policy": decision.policy.model_dump(),
            "metrics": about.metrics,
        }

    def _answer(self, score: Score, face: str) -> Prediction:
        decision = self.require_model().decision
        band = decision.band(score.pd)
        PREDICTIONS.labels(face).inc()
        RESULTS.labels(band).inc()
        return Prediction.model_construct(
            prediction=int(score.pd >= decision.threshold),
            probability=score.pd,
            default_risk=band,
            threshold=decision.threshold,
            model_version=self.version,
            features_used=self._features_used(score.features),
        )

    def _features_used(self, features: Sequence[float]) -> dict[str, int | float]:
        columns = self.schema.columns
        used: dict[str, int | float] = dict(zip(self.schema.feature_names, features, strict=True))
        used.update({c.name: int(used[c.name]) for c in columns if c.type == "integer"})
        return used

    def _load(self) -> None:
        from loan_default.model import LoanModel  # XGBoost takes a second, and the supervisor does without it

        served = self.find_served()
        model = LoanModel.load(served.model_folder)
        if model.schema != self.schema:
            raise ModelFileError(f"{served.tag} has other columns than this server was started with: start it again.")
        self._served, self._model, self._scorer = served, model, Scorer(model)
        MODEL_INFO.labels(REGISTERED_NAME, served.version, self._settings.model_stage).set(1)
        logger.info("Serving {} (version {}, {})", served.tag, served.version, self._settings.model_stage)

    def _declared_schema(self) -> Schema:
        """The columns of the model to serve; the default ones while there is no model."""
        try:
            return load_schema(self.find_served().model_folder / "schema.json")
        except LoanDefaultError:
            return load_schema(DEFAULT_SCHEMA)
