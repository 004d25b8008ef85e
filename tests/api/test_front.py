"""Where our layers stand: outside of BentoML's own middleware once the application starts, and never absent."""

import asyncio
import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loan_default.api.front import Front

ORDER: list[str] = []


def layer(name: str) -> Any:
    class Layer:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                ORDER.append(name)
            await self.app(scope, receive, send)

    return Layer


async def endpoint(_: Request) -> PlainTextResponse:
    return PlainTextResponse("native")


@pytest.fixture
def app() -> Starlette:
    ORDER.clear()
    middleware = [Middleware(layer("theirs")), Middleware(Front, wrap=layer("ours"))]
    return Starlette(routes=[Route("/", endpoint)], middleware=middleware)


async def call(app: ASGIApp, path: str = "/") -> bytes:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await app({**scope, "server": ("127.0.0.1", 1), "scheme": "http"}, receive, send)
    return b"".join(message.get("body", b"") for message in sent)


async def start(app: ASGIApp) -> None:
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        return {"type": next(events)}

    async def send(message: Message) -> None:
        assert "failed" not in message["type"], message

    await app({"type": "lifespan", "state": {}}, receive, send)


def test_after_the_start_ours_comes_first_and_once(app: Starlette) -> None:
    asyncio.run(start(app))
    assert asyncio.run(call(app)) == b"native"
    assert ORDER == ["ours", "theirs"]


def test_without_a_start_ours_is_there_all_the_same(app: Starlette) -> None:
    assert asyncio.run(call(app)) == b"native"
    assert ORDER == ["theirs", "ours"]


def test_bentomls_application_starts_in_a_way_that_front_can_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Fails when a new BentoML builds its application in another way: then `Front` is slower, and must be looked at."""
    import bentoml

    @bentoml.service(name="Bare", metrics={"enabled": False})
    class Bare:
        @bentoml.api  # type: ignore[untyped-decorator]
        def echo(self, text: str) -> str:
            return text

    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    Bare.add_asgi_middleware(Front, wrap=layer("ours"))  # type: ignore[attr-defined]
    app = Bare.to_asgi(is_main=True)  # type: ignore[attr-defined]
    asyncio.run(start(app))
    assert type(app.middleware_stack).__qualname__.startswith("layer.<locals>")
    ORDER.clear()
    assert json.loads(asyncio.run(call(app, "/schema.json")))["name"] == "Bare"
    assert ORDER == ["ours"]
