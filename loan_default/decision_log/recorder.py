"""Turns decisions into what is kept of them, many at a time: the reasons of the declined ones in few XGBoost calls."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from loguru import logger

from loan_default.decision_log.record import (
    Answering,
    Decided,
    Line,
    ModelRecord,
    ReasonRecord,
    Record,
    encode_record,
    storable,
)
from loan_default.schema.applicant import Encoder
from loan_default.schema.columns import Value

# After so many records, or reasons of declined applicants, the thread lets others run: it would otherwise hold Python's
# lock for 5 ms at a time, and answers would wait for it.
_AT_A_STRETCH = 64
_PAUSE_S = 0.0002


class Recorder:
    """Makes records; each thread has one of its own."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def line(self, decided: Decided) -> Line | None:
        """The line of a decision at once; None for a declined one, whose reasons take too long, or one that fails."""
        try:
            known = self._of(decided.model)
            self._forget_all_but([decided])
            return None if decided.pd >= known.threshold else _line(decided, known, None)
        except Exception:  # noqa: BLE001  # `lines` tells of it
            return None

    def lines(self, batch: Sequence[Decided]) -> list[Line | None]:
        """One line for each decision, in the same order; None for one that cannot be recorded."""
        failed: dict[str, str] = {}
        reasons = self._reasons(batch, self._declined(batch, failed))
        lines: list[Line | None] = []
        for i, decided in enumerate(batch):
            if i % _AT_A_STRETCH == _AT_A_STRETCH - 1:
                time.sleep(_PAUSE_S)
            try:
                lines.append(_line(decided, self._of(decided.model), reasons.get(i)))
            except Exception as error:  # noqa: BLE001  # one bad decision must not take the others with it
                failed[decided.decision_id] = type(error).__name__
                lines.append(None)
        if failed:
            # Only the kind of error: its text may quote the record.
            one = next(iter(failed.items()))
            logger.error("Decision log: {} decisions cannot be recorded, among them {}", len(failed), one)
        self._forget_all_but(batch)
        return lines

    def _declined(self, batch: Sequence[Decided], failed: dict[str, str]) -> dict[int, list[int]]:
        """The places of the declined ones in the batch, by model."""
        places: dict[int, list[int]] = {}
        for i, decided in enumerate(batch):
            try:
                if decided.pd >= self._of(decided.model).threshold:
                    places.setdefault(id(decided.model), []).append(i)
            except Exception as error:  # noqa: BLE001  # as in `lines`
                failed[decided.decision_id] = type(error).__name__
        return places

    def _reasons(self, batch: Sequence[Decided], declined: dict[int, list[int]]) -> dict[int, list[ReasonRecord]]:
        """The reasons of the declined ones, by their place in the batch."""
        found: dict[int, list[ReasonRecord]] = {}
        for key, places in _stretches(declined):
            time.sleep(_PAUSE_S)
            try:
                found.update(zip(places, self._known[key].explain([batch[i].features for i in places]), strict=True))
            except Exception as error:  # noqa: BLE001  # a record without reasons is better than none
                logger.error("The reasons of {} decisions cannot be recorded: {}", len(places), type(error).__name__)
        return found

    def _of(self, model: Answering) -> "_Known":
        known = self._known.get(id(model))
        if known is None:
            known = self._known[id(model)] = _Known(model)
        return known

    def _forget_all_but(self, batch: Sequence[Decided]) -> None:
        """A model that was replaced must not be kept in memory by its last decisions."""
        if len(self._known) > 1:
            used = {id(decided.model) for decided in batch}
            self._known = {key: known for key, known in self._known.items() if key in used}


class _Known:
    """What the records of one model share. It holds the model, so that its id stays its own."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        model, served = answering.model, answering.served
        self.shown: Callable[[Sequence[float]], dict[str, Value]] = Encoder(model.schema).shown
        self.band = model.decision.band
        self.threshold = model.decision.threshold
        self.record = ModelRecord(served.version, served.tag, model.about.run_id)

    def explain(self, features: Sequence[Sequence[float]]) -> list[list[ReasonRecord]]:
        """The reasons of declined applicants, at least one."""
        explained = self._answering.model.explain_values(
            np.array(features, dtype=np.float64), declined=[True] * len(features)
        )
        return [
            [ReasonRecord(r.feature, r.direction, r.contribution, r.value, r.sentence) for r in reasons]
            for reasons in explained
        ]


def _stretches(places: dict[int, list[int]]) -> Iterator[tuple[int, list[int]]]:
    """The same in lists of at most `_AT_A_STRETCH`."""
    for key, all_of_it in places.items():
        for i in range(0, len(all_of_it), _AT_A_STRETCH):
            yield key, all_of_it[i : i + _AT_A_STRETCH]


def _line(decided: Decided, known: _Known, reasons: list[ReasonRecord] | None) -> Line:
    decision_id, at, request_id, key_id, reference, face, pd, features, _ = decided
    record = Record(
        decision_id,
        datetime.fromtimestamp(at, UTC),
        face,
        key_id,
        storable(request_id),
        storable(reference),
        pd,
        int(pd >= known.threshold),
        known.band(pd),
        known.threshold,
        known.record,
        known.shown(features),
        reasons,
    )
    return Line(decision_id, encode_record(record))
