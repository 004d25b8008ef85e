"""Scores applicants one call at a time for the caller, many at a time for XGBoost.

One XGBoost call costs about the same for 32 rows as for one. Rows that arrive within one turn of the event loop are
therefore scored in one call at the end of that turn: nobody waits, and concurrent requests share the cost. A row's
answer does not depend on its neighbours.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from loan_default.model import LoanModel


class Score(NamedTuple):
    """The calibrated PD of one applicant and the features it was computed from, in the schema's order."""

    pd: float
    features: list[float]


class Scorer:
    """Collects rows during a turn of the event loop and scores them together."""

    def __init__(self, model: "LoanModel") -> None:
        self._model = model
        self._waiting: list[tuple[Sequence[float], asyncio.Future[Score]]] = []

    def submit(self, applicant: Sequence[float]) -> asyncio.Future[Score]:
        """Score one validated applicant: its columns in the schema's order. Call from within the event loop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Score] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append((applicant, answer))
        return answer

    def score(self, applicants: Sequence[Sequence[float]]) -> list[Score]:
        """Score several applicants, at least one, at once."""
        values = self._model.features.values(np.array(applicants, dtype=np.float64))
        pds = self._model.pd_of_features(values.astype(np.float32))
        return [Score(pd, row) for pd, row in zip(pds.tolist(), values.tolist(), strict=True)]

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            scores = self.score([applicant for applicant, _ in batch])
        except Exception as error:  # noqa: BLE001  # each caller gets the error, or would wait for ever
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), score in zip(batch, scores, strict=True):
            if not answer.done():  # the caller may have gone away
                answer.set_result(score)
