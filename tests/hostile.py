"""What tests/e2e/hostile is made of: a good applicant, ways to write it wrongly, and what a refusal looks like."""

import json

import pytest
from wire import Reply

REST, NATIVE = "/api/v1/predict", "/predict"
BOTH = pytest.mark.parametrize("target", [REST, NATIVE])
GOOD = '{"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}'
_ENVELOPE = {"success", "error", "message", "details"}


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
