"""The hot path leaves nothing to the garbage collector, whose pauses every caller would wait through."""

import asyncio
import gc
import json
from collections.abc import Iterator

import pytest
from face import KEY, Face
from starlette.types import Message

from loan_default.served import Served
from loan_default.settings import Settings

CALLS = 200
BODY = json.dumps({"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}).encode()
HEADERS = [(name.lower().encode(), value.encode()) for name, value in KEY.items()]


@pytest.fixture
def collecting_by_hand() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_prediction_leaves_no_cycles_behind(settings: Settings, promoted: Served, collecting_by_hand: None) -> None:
    assert promoted
    assert collecting_by_hand is None
    face = Face(settings.model_copy(update={"rate_limit_per_minute": 0}))

    async def receive() -> Message:
        return {"type": "http.request", "body": BODY}

    async def call() -> int:
        statuses: list[int] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/v1/predict",
            "query_string": b"",
            "headers": [*HEADERS, (b"content-type", b"application/json")],
        }
        await face.app(scope, receive, send)
        return statuses[0]

    async def many() -> tuple[set[int], int]:
        await asyncio.create_task(call())
        gc.collect()
        answered = {await asyncio.create_task(call()) for _ in range(CALLS)}
        return answered, gc.collect()

    statuses, left = asyncio.run(many())
    assert statuses == {200}
    assert left < CALLS / 10
