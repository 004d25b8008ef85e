"""The REST face in one process, for tests of both its default columns and a lender's own."""

import asyncio
import json
from typing import Any

import httpx
from installation import ROOT
from starlette.responses import PlainTextResponse

from loan_default.api.layers import around
from loan_default.api.online import Online
from loan_default.settings import Settings

KEY = {"X-API-Key": "second-key"}


class Face:
    """The whole middleware stack around a stand-in for BentoML."""

    def __init__(self, settings: Settings) -> None:
        self.online = Online(settings, ROOT)
        self.online.load()
        self.app = around(self.online)(PlainTextResponse("BentoML's own face"))

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://loan") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def predict(self, content: str | bytes | dict[str, Any], **headers: str) -> httpx.Response:
        body = content if isinstance(content, (str, bytes)) else json.dumps(content)
        return self.call(
            "POST", "/api/v1/predict", content=body, headers={**KEY, "content-type": "application/json", **headers}
        )
