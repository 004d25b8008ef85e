"""Which model a worker answers with, and how it takes up another one while it runs.

A new model is loaded and tried beside the present one, which goes on answering until one reference is moved. It is
refused, and the present one stays, when it cannot be found or read, does not answer its own example, or takes columns
that would break callers of the request type that BentoML fixed when the service started.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from loguru import logger

from loan_default.api.loaded import Loaded
from loan_default.drift_link import Samples
from loan_default.errors import LoanDefaultError, ModelRefused, ModelUnavailable
from loan_default.metrics import MODEL_INFO, MODEL_READY, MODEL_TAKEN_UP, MODEL_TRAINED, count_unknown_category
from loan_default.schema import DEFAULT_SCHEMA, load_schema
from loan_default.schema.applicant import applicant_model
from loan_default.schema.changes import breaking
from loan_default.served import (
    REGISTERED_NAME,
    Following,
    ReloadCall,
    Served,
    find_served,
    is_pinned,
    pointer_content,
)
from loan_default.settings import Settings

if TYPE_CHECKING:
    from loan_default.tracing import Tracing


class Models:
    """The model of one worker.

    Attributes:
        served: the model found when the service was declared; None when there was none.
        problem: why there is no loaded model, and what to do about it.
        schema: the declared columns: that model's, the default ones while there is no model.
        applicant_model: the request type built from them, for both faces.
        tracing: what makes spans of scoring; None where nobody does.
    """

    def __init__(self, settings: Settings, source: Path, samples: Samples | None = None) -> None:
        """`samples`: where samples of the predictions go; None where nobody watches for drift."""
        self._settings = settings
        self._source = source
        self._samples = samples
        self._pinned = is_pinned(settings, source)  # a Bento does not become one, nor cease to be one
        self._following = Following(settings, source)
        self._reload_call = ReloadCall(settings, settings.model_stage)
        self._one_at_a_time = asyncio.Lock()
        self._refused_tag = ""
        self._leads_nowhere: bytes | None = None  # what a pointer said that named no model to be found
        self._next_look = 0.0
        self.tracing: Tracing | None = None
        self.loaded: Loaded | None = None
        self.served: Served | None = None
        self.problem = "The server is starting."
        self.schema = load_schema(DEFAULT_SCHEMA)
        try:
            self.served = find_served(settings, source)
            self.schema = load_schema(self.served.model_folder / "schema.json")
        except LoanDefaultError as error:  # an unreadable model is refused for good when it is loaded
            self.problem = error.message
        self.applicant_model = applicant_model(self.schema, count_unknown_category)

    def start(self) -> None:
        """Load the model found at the start. Without one the worker starts all the same, and says why."""
        try:
            # Found anew: another one may have been promoted since the service was declared.
            self._answer_with(self._load(find_served(self._settings, self._source)))
        except LoanDefaultError as error:
            self.problem = error.message
            MODEL_READY.labels(self._settings.model_stage).set(0)
            logger.error("Not ready: {}", self.problem)

    async def take_up(self, for_all: bool = False) -> Loaded:
        """Answer with the model that is promoted now.

        Args:
            for_all: tell the other workers of this state folder to do the same.

        Raises:
            ModelRefused, ModelUnavailable, ModelFileError: the present one goes on answering; says why.
        """
        if self._pinned:
            raise ModelRefused(
                "A Bento carries its model: build one around the new model, and roll that out; or set "
                "FOLLOW_PROMOTIONS=on."
            )
        async with self._one_at_a_time:
            served = self._find()
            loaded = self.loaded
            if loaded is None or loaded.served != served:
                try:
                    loaded = await asyncio.to_thread(self._load, served)
                except LoanDefaultError:
                    MODEL_TAKEN_UP.labels("refused").inc()
                    self._refused_tag = served.tag
                    raise
                self._answer_with(loaded)
                MODEL_TAKEN_UP.labels("taken").inc()
        if for_all:
            self._reload_call.make()
        return loaded

    async def look(self, now: float) -> None:
        """Take up a newly promoted model, if the watch is on or another worker was told to. Call it every second."""
        if self._pinned:
            return
        told = self._reload_call.is_new()
        if not told:
            if not self._settings.model_watch_s or now < self._next_look:
                return
            self._next_look = now + self._settings.model_watch_s
            if not self._is_news():
                return
        try:
            await self.take_up()
        except LoanDefaultError as error:
            logger.error("The newly promoted model is not taken up: {}", error.message)

    def _is_news(self) -> bool:
        """Whether a model is promoted that this worker neither answers with nor has refused already."""
        try:
            tag = find_served(self._settings, self._source).tag
        except ModelUnavailable:
            return self._pointer() not in {None, self._leads_nowhere}
        return tag != self._refused_tag and (self.loaded is None or tag != self.loaded.served.tag)

    def _find(self) -> Served:
        """The model that is promoted; raises ModelUnavailable, and counts a pointer that leads nowhere as refused."""
        pointer = self._pointer()
        try:
            return find_served(self._settings, self._source)
        except ModelUnavailable:
            if pointer is not None:
                MODEL_TAKEN_UP.labels("refused").inc()
                self._leads_nowhere = pointer
            raise

    def _pointer(self) -> bytes | None:
        return pointer_content(self._settings, self._settings.model_stage)

    def _load(self, served: Served) -> Loaded:
        from loan_default.model import LoanModel  # XGBoost takes a second, and the supervisor does without it

        model = LoanModel.load(served.model_folder)
        broken = breaking(self.schema, model.schema)
        if broken:
            changes = "; ".join(map(str, broken[:3]))
            raise ModelRefused(
                f"{served.tag} would break callers of the running service ({changes}): tell them, and start it again."
            )
        same = model.schema == self.schema
        declared = self.applicant_model if same else applicant_model(model.schema, count_unknown_category)
        sampler = None if self._samples is None else self._samples.sampler(served, model)
        loaded = Loaded(served, model, declared, sampler, self.tracing)
        _try(loaded)
        return loaded

    def _answer_with(self, loaded: Loaded) -> None:
        before, self.loaded = self.loaded, loaded
        stage = self._settings.model_stage
        if before is not None:
            MODEL_INFO.labels(REGISTERED_NAME, before.served.version, stage).set(0)
        MODEL_INFO.labels(REGISTERED_NAME, loaded.served.version, stage).set(1)
        MODEL_READY.labels(stage).set(1)
        MODEL_TRAINED.labels(stage).set(loaded.model.about.created_at.timestamp())
        self._refused_tag = ""
        self._leads_nowhere = None
        logger.info("Serving {} (version {}, {})", loaded.served.tag, loaded.served.version, stage)


def _try(loaded: Loaded) -> None:
    """Raises ModelRefused unless a model answers and explains the example of its own declaration."""
    example = loaded.applicant_model.model_validate(dict(loaded.model.schema.example))
    applicant = np.array([loaded.encoder.row(example)], dtype=np.float64)
    try:
        pd = float(loaded.model.pd(applicant)[0])
        loaded.model.explain(applicant)
    except Exception as error:
        raise ModelRefused(f"{loaded.served.tag} does not answer the example of its own declaration.") from error
    if not np.isfinite(pd):
        raise ModelRefused(f"{loaded.served.tag} answers the example of its own declaration with {pd}.")
