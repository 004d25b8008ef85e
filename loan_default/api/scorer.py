"""Scores applicants one call at a time for the caller, many at a time for XGBoost, and counts what came out.

One XGBoost call costs about the same for 32 rows as for one. Rows that arrive within one turn of the event loop are
therefore scored in one call at the end of that turn: nobody waits, and concurrent requests share the cost. A row's
answer does not depend on its neighbours.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loan_default.metrics import PREDICTION_SECONDS, PREDICTIONS, RESULTS

if TYPE_CHECKING:  # at run time XGBoost comes with the model: the supervisor does without it
    from loan_default.model import LoanModel
    from loan_default.reasons import Reason


class Score(NamedTuple):
    """The calibrated PD of one applicant, the features it was computed from, and the reasons when they were asked for.

    The features are in the schema's order.
    """

    pd: float
    features: list[float]
    reasons: "list[Reason] | None" = None


Face = Literal["rest", "native"]


class Scorer:
    """Collects rows during a turn of the event loop and scores them together."""

    def __init__(self, model: "LoanModel") -> None:
        self._model = model
        # Looked up once, and moved once for all rows of a call: a counter costs as much as parsing an applicant.
        self._predictions = {face: PREDICTIONS.labels(face) for face in ("rest", "native")}
        self._seconds = {face: PREDICTION_SECONDS.labels(face) for face in ("rest", "native")}
        self._results = [RESULTS.labels(band) for band in ("Low", "Medium", "High")]
        self._waiting: list[tuple[Sequence[float], bool, asyncio.Future[Score]]] = []

    def submit(self, applicant: Sequence[float], with_reasons: bool = False) -> asyncio.Future[Score]:
        """Score one validated applicant: its columns in the schema's order. Call from within the event loop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Score] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append((applicant, with_reasons, answer))
        return answer

    def score(self, applicants: Sequence[Sequence[float]], face: Face) -> list[Score]:
        """Score several applicants, at least one, at once, and count them for a face."""
        started = time.perf_counter()
        values = self._model.features.values(np.array(applicants, dtype=np.float64))
        pds = self._model.pd_of_features(values.astype(np.float32))
        self._seconds[face].observe(time.perf_counter() - started)
        self._predictions[face].inc(len(pds))
        self._count_bands(pds)
        return [Score(pd, row) for pd, row in zip(pds.tolist(), values.tolist(), strict=True)]

    def _count_bands(self, pds: NDArray[np.float64]) -> None:
        decision = self._model.decision
        high = np.count_nonzero(pds >= decision.threshold)
        above_low = np.count_nonzero(pds >= decision.medium_from)
        for counter, n in zip(self._results, (len(pds) - above_low, above_low - high, high), strict=True):
            if n:
                counter.inc(float(n))

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            scores = self.score([applicant for applicant, _, _ in batch], "rest")
            asked = [i for i, (_, with_reasons, _) in enumerate(batch) if with_reasons]
            if asked:
                reasons = self._model.explain(np.array([batch[i][0] for i in asked], dtype=np.float64))
                for i, of_row in zip(asked, reasons, strict=True):
                    scores[i] = scores[i]._replace(reasons=of_row)
        except Exception as error:  # noqa: BLE001  # each caller gets the error, or would wait for ever
            for _, _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, _, answer), score in zip(batch, scores, strict=True):
            if not answer.done():  # the caller may have gone away
                answer.set_result(score)
