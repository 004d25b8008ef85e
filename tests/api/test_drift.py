"""The drift calls of the REST face, with the real monitor in this process and without any."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from face import KEY, Face
from monitors import Here
from samples import TAG, batch, introduction, richer

from drift.monitor import Monitor
from loan_default.drift_link.messages import Verdict
from loan_default.model import LoanModel
from loan_default.security.keys_file import add_key
from loan_default.served import Served
from loan_default.settings import Settings
from loan_default.training.data import Dataset

CALLS = ["/api/v1/drift", "/api/v1/drift/report"]


@pytest.fixture
def monitor(settings: Settings) -> Iterator[Monitor]:
    running = Monitor(settings, 0.0)
    yield running
    running.close()


def ask(settings: Settings, monitor: Monitor, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    face = Face(settings)

    async def send() -> httpx.Response:
        face.online.drift.start(Here(monitor))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(face.app), base_url="http://loan") as client:
            answer = await client.get(path, headers=headers or KEY)
        await face.online.drift.stop()
        return answer

    return asyncio.run(send())


def test_the_verdict_comes_in_the_envelope(
    settings: Settings, promoted: Served, loan_model: LoanModel, dataset: Dataset, monitor: Monitor
) -> None:
    assert promoted.tag == TAG
    monitor.introduce(introduction(loan_model), 0.0)
    monitor.take(batch(loan_model, richer(dataset.applicants[:1_000])), 1.0)
    monitor.check(2.0)
    answer = ask(settings, monitor, "/api/v1/drift")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    assert (body["success"], body["message"]) == (True, "The applicants differ from the reference.")
    assert Verdict.model_validate(body["data"]) == monitor.verdict()


def test_the_page_can_load_nothing_and_ask_nobody(settings: Settings, promoted: Served, monitor: Monitor) -> None:
    assert promoted
    answer = ask(settings, monitor, "/api/v1/drift/report")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!doctype html>")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "sandbox" in policy


@pytest.mark.parametrize("path", CALLS)
def test_without_a_monitor_they_say_so(settings: Settings, promoted: Served, path: str) -> None:
    assert promoted
    answer = Face(settings.model_copy(update={"drift_monitor": "off"})).call("GET", path, headers=KEY)
    assert (answer.status_code, answer.json()["error"]) == (503, "drift_unavailable")
    assert "DRIFT_MONITOR" in answer.json()["message"]
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("path", CALLS)
def test_they_need_the_scope_operate(settings: Settings, promoted: Served, path: str) -> None:
    assert promoted
    key = add_key(settings.keys_file, "broker", ["score"])
    answer = Face(settings).call("GET", path, headers={"X-API-Key": key})
    assert (answer.status_code, answer.json()["error"]) == (403, "missing_scope")
