"""The outermost layer: ids, limits on how many calls and how long, and connections that are closed in good order."""

import asyncio
import json
from typing import Any

import pytest
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.api import in_progress
from loan_default.api.envelope import json_answer
from loan_default.api.in_progress import InProgress
from loan_default.api.observe import Observe
from loan_default.logs import request_id

PATH = "/api/v1/predict"


async def alive(scope: Scope, receive: Receive, send: Send) -> None:
    await json_answer({"id": request_id.get()})(scope, receive, send)


async def never(_: Scope, __: Receive, ___: Send) -> None:
    await asyncio.Event().wait()


async def ask(app: ASGIApp, path: str = PATH, headers: list[tuple[bytes, bytes]] | None = None) -> dict[str, Any]:
    """One call; its status, headers and content."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers or []}
    await asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
    return {"status": sent[0]["status"], "headers": dict(sent[0]["headers"]), **json.loads(sent[1]["body"])}


def observed(app: ASGIApp, calls: InProgress | None = None, closing: bool = False) -> Observe:
    return Observe(app, [PATH], InProgress() if calls is None else calls, lambda: closing)


def test_each_call_has_an_id_of_its_own_which_its_logs_and_its_answer_show() -> None:
    async def several() -> list[dict[str, Any]]:
        app = observed(alive)
        return await asyncio.gather(*(ask(app) for _ in range(50)))

    answers = asyncio.run(several())
    assert len({answer["id"] for answer in answers}) == 50
    assert all(answer["headers"][b"x-request-id"].decode() == answer["id"] for answer in answers)


def test_an_overdue_call_is_told_so_and_its_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loan_default.api.observe.CALL_SECONDS", 0.01)

    async def late() -> dict[str, Any]:
        calls = InProgress()
        call = asyncio.create_task(ask(observed(never, calls)))
        await asyncio.sleep(0.05)
        calls.cancel_overdue()
        return await call

    answer = asyncio.run(late())
    assert (answer["status"], answer["error"]) == (408, "too_slow")
    assert answer["headers"][b"connection"] == b"close"


def test_a_call_that_is_cancelled_by_the_server_stays_cancelled() -> None:
    async def cancelled() -> int:
        calls = InProgress()
        task = asyncio.create_task(ask(observed(never, calls)))
        await asyncio.sleep(0.01)
        assert len(calls) == 1
        for inner in asyncio.all_tasks() - {asyncio.current_task(), task}:
            inner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(calls)

    assert asyncio.run(cancelled()) == 0


def test_calls_in_time_are_left_alone() -> None:
    async def in_time() -> int:
        calls = InProgress()
        call = asyncio.create_task(ask(observed(never, calls)))
        await asyncio.sleep(0.01)
        calls.cancel_overdue()
        await asyncio.sleep(0.01)
        assert not call.done()
        call.cancel()
        return len(calls)

    assert asyncio.run(in_time()) == 1
    assert in_progress.CALL_SECONDS == 10


def test_one_call_too_many_is_refused_at_once_but_probes_are_answered() -> None:
    async def crowded() -> tuple[dict[str, Any], dict[str, Any]]:
        calls = InProgress(most=3)
        app = observed(never, calls)
        waiting = [asyncio.create_task(ask(app)) for _ in range(3)]
        await asyncio.sleep(0.01)
        refused, probed = await ask(app), await ask(observed(alive, calls), "/readyz")
        for task in waiting:
            task.cancel()
        return refused, probed

    refused, probed = asyncio.run(crowded())
    assert (refused["status"], refused["error"], refused["headers"][b"retry-after"]) == (503, "busy", b"1")
    assert probed["status"] == 200


def test_the_connection_is_closed_after_the_answer_when_it_should_be() -> None:
    assert asyncio.run(ask(observed(alive, closing=True)))["headers"][b"connection"] == b"close"
    assert b"connection" not in asyncio.run(ask(observed(alive)))["headers"]


def test_a_caller_that_hung_up_is_counted_as_499() -> None:
    async def silent(_: Scope, __: Receive, ___: Send) -> None:
        return

    name, labels = "loan_http_requests_total", {"method": "POST", "route": PATH, "status": "499"}
    before = REGISTRY.get_sample_value(name, labels) or 0
    with pytest.raises(IndexError):  # there is no answer
        asyncio.run(ask(observed(silent)))
    assert REGISTRY.get_sample_value(name, labels) == before + 1
