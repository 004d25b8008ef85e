"""The monitor's calls over HTTP: by a socket and by a port, in JSON, with the key, and what is said of a refusal."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from loan_default.drift_link.client import MonitorClient, MonitorRefused
from loan_default.drift_link.link import why
from loan_default.drift_link.messages import Batch
from loan_default.json_body import read_limited

BATCH = Batch.of(np.ones((2, 3), np.float32), np.array([0.25, 0.5]), tag="loan_default:7-0")
KEY = SecretStr("the-key-of-the-monitor")


class Answering:
    """A server that keeps what it was asked."""

    def __init__(self, answer: Response) -> None:
        self._answer = answer
        self.asked: list[tuple[str, dict[bytes, bytes], Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = json.loads(await read_limited(receive, 10_000))
        self.asked.append((scope["path"], dict(scope["headers"]), body))
        await self._answer(scope, receive, send)


async def asking(
    app: Answering, folder: Path, address: str, ask: Callable[[MonitorClient], Awaitable[Any]], key: SecretStr | None
) -> Any:
    """What comes of asking a server at `address`, a template of one."""
    socket = folder / "monitor's.sock" if address.startswith("file") else None
    config = uvicorn.Config(app, port=0, uds=str(socket) if socket else None, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    place = server.servers[0].sockets[0].getsockname()
    client = MonitorClient(socket.as_uri() if socket else address.format(port=place[1]), key)
    try:
        return await ask(client)
    finally:
        await client.close()
        server.should_exit = True
        await serving


@pytest.mark.parametrize("address", ["file", "tcp://127.0.0.1:{port}", "http://127.0.0.1:{port}"])
@pytest.mark.parametrize("key", [KEY, None])
def test_samples_travel_as_json_with_the_key(tmp_path: Path, address: str, key: SecretStr | None) -> None:
    app = Answering(JSONResponse(True))
    assert asyncio.run(asking(app, tmp_path, address, lambda client: client.observe(BATCH), key)) is True
    [(path, headers, body)] = app.asked
    assert (path, headers[b"content-type"]) == ("/observe", b"application/json")
    assert headers.get(b"authorization") == (b"Bearer the-key-of-the-monitor" if key else None)
    assert Batch.model_validate(body.pop("batch")) == BATCH
    assert body == {}


def test_applicants_values_never_go_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    app = Answering(JSONResponse(True))
    assert (
        asyncio.run(asking(app, tmp_path, "http://127.0.0.1:{port}", lambda client: client.observe(BATCH), KEY)) is True
    )


def test_a_page_comes_as_it_is(tmp_path: Path) -> None:
    app = Answering(PlainTextResponse("<p>§ 1</p>"))
    assert asyncio.run(asking(app, tmp_path, "file", MonitorClient.report, None)) == "<p>§ 1</p>"


@pytest.mark.parametrize(("status", "hint"), [(403, True), (401, True), (415, False), (500, False)])
def test_a_refusal_is_told_by_its_status_and_what_may_be_wrong(tmp_path: Path, status: int, hint: bool) -> None:
    app = Answering(JSONResponse({"error": "of no interest"}, status))
    with pytest.raises(MonitorRefused) as caught:
        asyncio.run(asking(app, tmp_path, "file", lambda client: client.observe(BATCH), KEY))
    assert why(caught.value).startswith(f"status {status}")
    assert ("DRIFT_KEY" in why(caught.value)) == hint
    assert KEY.get_secret_value() not in why(caught.value)


@pytest.mark.parametrize("answer", [b"\x80\x04\x88.", b"true-ish", b"[]", b""])
def test_an_answer_that_is_no_json_of_ours_is_an_error(tmp_path: Path, answer: bytes) -> None:
    app = Answering(Response(answer, media_type="application/vnd.bentoml+pickle"))
    with pytest.raises(ValueError, match="validation error"):
        asyncio.run(asking(app, tmp_path, "file", lambda client: client.observe(BATCH), None))
