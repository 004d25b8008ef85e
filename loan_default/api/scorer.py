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

from loan_default.drift_link import Sampler
from loan_default.metrics import PREDICTION_SECONDS, PREDICTIONS, RESULTS

if TYPE_CHECKING:  # at run time XGBoost comes with the model: the supervisor does without it
    from loan_default.model import LoanModel
    from loan_default.reasons import Reason

Face = Literal["rest", "native"]
Rows = Sequence[Sequence[float]]


class Score(NamedTuple):
    """The calibrated PD of one applicant, the features it was computed from, and the reasons when they were asked for.

    The features are in the schema's order.
    """

    pd: float
    features: list[float]
    reasons: "list[Reason] | None" = None


class _Waiting(NamedTuple):
    """The rows of one call, which are scored at the end of this turn."""

    rows: Rows
    face: Face
    with_reasons: bool
    answer: asyncio.Future[list[Score]]


class Scorer:
    """Collects rows during a turn of the event loop and scores them together."""

    def __init__(self, model: "LoanModel", sampler: Sampler | None = None) -> None:
        """`sampler`: is offered what was scored; None where nobody watches for drift."""
        self._model = model
        self._sampler = sampler
        self._waiting: list[_Waiting] = []
        # Looked up once, and moved once for all rows of a turn: a counter costs as much as parsing an applicant.
        self._predictions = {face: PREDICTIONS.labels(face) for face in ("rest", "native")}
        self._results = [RESULTS.labels(band) for band in ("Low", "Medium", "High")]

    def submit(self, rows: Rows, face: Face, with_reasons: bool = False) -> asyncio.Future[list[Score]]:
        """Score validated applicants, at least one: rows of columns in the schema's order.

        Call it from within the event loop.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Score]] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append(_Waiting(rows, face, with_reasons, answer))
        return answer

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            scores = self._score([row for waiting in batch for row in waiting.rows])
            self._explain(batch, scores)
        except Exception as error:  # noqa: BLE001  # each caller gets the error, or would wait for ever
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        start = 0
        counts = {"rest": 0, "native": 0}
        for rows, face, _, answer in batch:
            end = start + len(rows)
            if not answer.done():  # the caller may have gone away
                answer.set_result(scores[start:end])
            counts[face] += end - start
            start = end
        for counted, n in counts.items():
            if n:
                self._predictions[counted].inc(n)

    def _score(self, rows: Rows) -> list[Score]:
        started = time.perf_counter()
        values = self._model.features.values(np.array(rows, dtype=np.float64))
        matrix = values.astype(np.float32)
        pds = self._model.pd_of_features(matrix)
        PREDICTION_SECONDS.observe(time.perf_counter() - started)
        if self._sampler is not None:
            self._sampler.offer(matrix, pds)
        self._count_bands(pds)
        return [Score(pd, row) for pd, row in zip(pds.tolist(), values.tolist(), strict=True)]

    def _explain(self, batch: Sequence[_Waiting], scores: list[Score]) -> None:
        """Add the reasons to the scores of those who asked for them."""
        if not any(waiting.with_reasons for waiting in batch):
            return
        asked = [waiting.with_reasons for waiting in batch for _ in waiting.rows]
        places = [i for i, wanted in enumerate(asked) if wanted]
        rows = [row for waiting in batch for row in waiting.rows if waiting.with_reasons]
        reasons = self._model.explain(np.array(rows, dtype=np.float64))
        for i, of_row in zip(places, reasons, strict=True):
            scores[i] = scores[i]._replace(reasons=of_row)

    def _count_bands(self, pds: NDArray[np.float64]) -> None:
        decision = self._model.decision
        high = np.count_nonzero(pds >= decision.threshold)
        above_low = np.count_nonzero(pds >= decision.medium_from)
        for counter, n in zip(self._results, (len(pds) - above_low, above_low - high, high), strict=True):
            if n:
                counter.inc(float(n))
