"""Who may ask the monitor, and how: the real service, asked by hand."""

import asyncio
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hostile import PICKLE, PICKLES, pickle_that_leaves
from loguru import logger
from pydantic import SecretStr
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from drift import guard
from drift.guard import Guard
from loan_default.settings import Settings

KEY = "the-key-of-the-monitor"
BEARER = {"Authorization": f"Bearer {KEY}"}
JSON = {"Content-Type": "application/json"}


class Unpickles:
    """Reads a body as BentoML does between services: as pickle, if its first media type says so."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        media_types = [value for name, value in scope["headers"] if name == b"content-type"]
        body = (await receive())["body"] if scope["method"] == "POST" else b""
        if media_types[:1] == [b"application/vnd.bentoml+pickle"]:
            pickle.loads(body)  # what must not happen
        await Response(body or b"open")(scope, receive, send)


@pytest.fixture
def guarded(settings: Settings) -> ASGIApp:
    return Guard(Unpickles(), settings.model_copy(update={"drift_key": SecretStr(KEY)}))


@pytest.fixture
def unguarded(settings: Settings) -> ASGIApp:
    """Without a key; the rest is asked for all the same."""
    return Guard(Unpickles(), settings)


def ask(app: ASGIApp, method: str = "POST", path: str = "/observe", **more: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://monitor") as client:
            return await client.request(method, path, **more)

    return asyncio.run(send())


def test_a_call_with_the_key_gets_through_as_it_is(guarded: ASGIApp) -> None:
    for headers in (BEARER, {"X-API-Key": KEY}):
        answer = ask(guarded, headers={**headers, **JSON}, content=b'{"a": 1}')
        assert (answer.status_code, answer.content) == (200, b'{"a": 1}')


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/metrics"])
def test_probes_and_prometheus_need_no_key(guarded: ASGIApp, path: str) -> None:
    assert ask(guarded, "GET", path).text == "open"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/observe", JSON, 401),
        ("POST", "/observe", {**JSON, "Authorization": "Bearer another-key-of-22-chars"}, 403),
        ("POST", "/observe", {**JSON, "Authorization": f"Bearer {KEY}x"}, 403),
        ("POST", "/metrics", JSON, 401),
        ("POST", "/metrics", {**BEARER, **JSON}, 404),
        ("GET", "/observe", BEARER, 405),
        ("GET", "/schema.json", {}, 401),
        ("GET", "/schema.json", BEARER, 404),
        ("GET", "/", BEARER, 404),
        ("POST", "/observe", BEARER, 415),
        ("POST", "/observe", {**BEARER, "Content-Type": "multipart/form-data; boundary=x"}, 415),
        ("POST", "/observe", {**BEARER, "Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_everything_else_is_refused(
    guarded: ASGIApp, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = ask(guarded, method, path, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert KEY not in answer.text


@pytest.mark.parametrize("types", PICKLES)
def test_a_pickle_is_never_read(unguarded: ASGIApp, types: list[str], tmp_path: Path) -> None:
    content = pickle_that_leaves(mark := tmp_path / "ran")
    ask(unguarded, headers=[("Content-Type", each) for each in types], content=content)
    assert not mark.exists()


def test_it_would_be_read_without_a_guard(tmp_path: Path) -> None:
    content = pickle_that_leaves(mark := tmp_path / "ran")
    ask(Unpickles(), headers=[("Content-Type", PICKLE)], content=content)
    assert mark.exists()


def test_a_body_has_a_limit_said_or_not(unguarded: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_BYTES", 1_000)

    async def chunks() -> Any:
        for _ in range(20):
            yield b"x" * 100

    assert ask(unguarded, headers=JSON, content=b"x" * 1_001).status_code == 413
    assert ask(unguarded, headers=JSON, content=chunks()).status_code == 413
    assert ask(unguarded, headers=JSON, content=b"x" * 1_000).status_code == 200


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    lines: list[str] = []
    handler = logger.add(lines.append, format="{message}", level="WARNING")
    yield lines
    logger.remove(handler)


def test_a_port_without_a_key_is_told_once(unguarded: ASGIApp, guarded: ASGIApp, warnings: list[str]) -> None:
    for app in (guarded, unguarded, unguarded):
        assert ask(app, headers={**BEARER, **JSON}).status_code == 200
    assert ["DRIFT_KEY is not set" in line for line in warnings] == [True]
