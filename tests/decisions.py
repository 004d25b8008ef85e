"""Decisions as the hot path would hand them over, and a log of them for tests."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger
from prometheus_client import REGISTRY

from loan_default.decision_log import Decided, DecisionLog, new_decision_id, open_decision_log
from loan_default.decision_log.archive import open_archive
from loan_default.decision_log.ids import first_id_at
from loan_default.decision_log.record import Line
from loan_default.decision_log.recorder import Recorder
from loan_default.model import LoanModel
from loan_default.schema.applicant import Encoder
from loan_default.served import Served
from loan_default.settings import Settings


@dataclass(frozen=True)
class Answers:
    """A model that answers."""

    model: LoanModel
    served: Served = field(default_factory=lambda: Served("loan_default:7-01234567", Path("nowhere")))


def decide(answers: Answers, applicant: Sequence[float] | None = None, **known: Any) -> Decided:
    """What a prediction hands over, of the declaration's example or another applicant; `known` replaces parts."""
    model = answers.model
    example = Encoder(model.schema).table([[value] for value in model.schema.example.values()])
    values = model.features.values(example if applicant is None else np.array([applicant], dtype=np.float64))
    decided = Decided(
        new_decision_id(),
        time.time(),
        "request-1",
        "key-1",
        "",
        "rest",
        float(model.pd_of_features(values.astype(np.float32))[0]),
        values[0].tolist(),
        answers,
    )
    return decided._replace(**known)


def decided_at(answers: Answers, milliseconds: int, **known: Any) -> Decided:
    """A decision made at a time, Unix time in milliseconds."""
    decision_id = first_id_at(milliseconds) + new_decision_id()[12:]
    return decide(answers, decision_id=decision_id, at=milliseconds / 1000, **known)


def lines(decided: Sequence[Decided]) -> list[Line]:
    """Their records, ready to be stored."""
    return [line for line in Recorder().lines(decided) if line is not None]


@contextmanager
def logged() -> Iterator[list[str]]:
    """The messages that are logged within the block, from warnings upwards."""
    messages: list[str] = []
    sink = logger.add(lambda message: messages.append(message.record["message"]), level="WARNING")
    try:
        yield messages
    finally:
        logger.remove(sink)


def wait_for(condition: Any, within_s: float = 20) -> None:
    """Wait until `condition()` holds; fails when it does not in time."""
    deadline = time.monotonic() + within_s
    for pause_s in itertools.repeat(0.02):
        if condition():
            return
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(pause_s)


@contextmanager
def opened(settings: Settings) -> Iterator[DecisionLog]:
    """A log that is closed at the end of the block."""
    log = open_decision_log(settings)
    try:
        yield log
    finally:
        log.close()


def count(name: str, **labels: str) -> float:
    """What a counter of the decision log stands at."""
    return REGISTRY.get_sample_value(f"loan_decision_log_{name}_total", labels) or 0.0


def is_kept(settings: Settings, decision_id: str) -> bool:
    """Whether a decision can be looked up."""
    with open_archive(settings) as archive:
        return archive.find(decision_id) is not None


async def answered(log: DecisionLog, *calls: Sequence[Decided]) -> list[BaseException | None]:
    """What becomes of calls that wait for their records: None, or why not."""
    return await asyncio.gather(*[log.append_required(call) for call in calls], return_exceptions=True)
