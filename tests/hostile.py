"""What hostile tests are made of: a good applicant, ways to write it wrongly, pickles, what a refusal looks like."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from wire import Reply

REST, NATIVE = "/api/v1/predict", "/predict"
BOTH = pytest.mark.parametrize("target", [REST, NATIVE])
GOOD = '{"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}'
_ENVELOPE = {"success", "error", "message", "details"}

PICKLE = "application/vnd.bentoml+pickle"
# Media types of a call, each in a header of its own, that may make a server unpickle its body.
PICKLES = [
    [PICKLE],
    [f"{PICKLE}; charset=utf-8"],
    [PICKLE.upper()],
    [PICKLE, "application/json"],
    ["application/json", PICKLE],
    ["application/json;", f"{PICKLE};"],
]


class Runs:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def pickle_that_leaves(mark: Path) -> bytes:
    """A pickle that makes the file `mark`, seen to do so."""
    content = pickle.dumps(Runs(mark))
    pickle.loads(content)  # ours
    assert mark.exists()
    mark.unlink()
    return content


def listed(*rows: str) -> str:
    """A body of BentoML's face."""
    return f'{{"applications": [{", ".join(rows)}]}}'


def around(target: str, row: str) -> bytes:
    """The body with which a call scores one row."""
    return (row if target == REST else listed(row)).encode()


def with_value(name: str, literal: str) -> str:
    """The good applicant with one value written differently."""
    return json.dumps({**json.loads(GOOD), name: "HERE"}).replace('"HERE"', literal)


def refused(reply: Reply | None, *statuses: int) -> Reply:
    """The reply, which refuses in the shape of its face, with one of these statuses."""
    assert reply is not None, "closed without an answer"
    assert reply.status in statuses, reply
    found = reply.json()
    assert isinstance(found, dict), "a list is nobody's shape of errors"
    assert set(found) == _ENVELOPE or isinstance(found["error"], str)
    return reply
