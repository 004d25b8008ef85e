"""The documentation page: opens without a key, loads nothing from elsewhere, runs nothing inline, holds no secret."""

import asyncio
import hashlib
import re
from typing import Any

import httpx
import pytest
from installation import ROOT
from starlette.responses import PlainTextResponse

from loan_default.api.docs_page import DOCS_PATHS, OPEN_PAGES, SWAGGER_UI, Documentation
from loan_default.api.envelope import render_error
from loan_default.api.native_calls import NativeCalls
from loan_default.security import Caller, KeyRequired, Keys

KEY = {"X-API-Key": "the-key"}
PAGE = ROOT / "loan_default" / "api" / "page"


class Asked:
    """Makes the document, and counts how often it was asked to."""

    times = 0

    def document(self) -> dict[str, Any]:
        self.times += 1
        return {"openapi": "3.1.0", "info": {"title": "≥ anything"}}


@pytest.fixture
def asked() -> Asked:
    return Asked()


def call(asked: Asked, method: str, path: str, **headers: str) -> httpx.Response:
    """Through the middlewares around a stand-in for BentoML."""
    inner = Documentation(NativeCalls(PlainTextResponse("BentoML")), asked.document)
    keys = Keys([(hashlib.sha256(b"the-key").digest(), Caller("test", frozenset({"score"})))])
    app = KeyRequired(inner, lambda: keys, render_error, open_paths=OPEN_PAGES)

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://loan") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/docs", "text/html"), ("/docs/page.css", "text/css"), ("/docs/page.js", "text/javascript")],
)
def test_the_page_and_its_parts_open_without_a_key(asked: Asked, path: str, media_type: str) -> None:
    answer = call(asked, "GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{media_type}; charset=utf-8")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert asked.times == 0


def test_swagger_ui_comes_from_bentoml_without_a_key_and_is_not_sniffed(asked: Asked) -> None:
    for path in SWAGGER_UI:
        answer = call(asked, "GET", path)
        assert (answer.text, answer.headers["x-content-type-options"]) == ("BentoML", "nosniff")


def test_the_other_files_of_bentoml_are_not_served(asked: Asked) -> None:
    path = "/static_content/swagger-initializer.js"
    assert call(asked, "GET", path).status_code == 401
    assert call(asked, "GET", path, **KEY).status_code == 404


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere(asked: Asked) -> None:
    policy = call(asked, "GET", "/docs").headers["content-security-policy"]
    sources = dict(directive.strip().split(" ", 1) for directive in policy.split(";"))
    assert sources["default-src"] == "'none'"
    assert sources["script-src"] == sources["style-src"] == sources["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_holds_to_its_policy() -> None:
    page = (PAGE / "docs.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|//", page)
    for part in PAGE.iterdir():
        assert not re.search(r"https?:|innerHTML|eval\(|localStorage", part.read_text())


def test_everything_the_page_loads_is_served_without_a_key() -> None:
    page = (PAGE / "docs.html").read_text()
    loaded = {f"/{path}" for path in re.findall(r'(?:src|href)="([^"]+)"', page)}
    assert loaded == {*SWAGGER_UI, "/docs/page.css", "/docs/page.js"}
    assert loaded <= OPEN_PAGES


def test_the_document_needs_a_key_and_is_made_once(asked: Asked) -> None:
    assert call(asked, "GET", "/openapi.json").status_code == 401
    assert asked.times == 0
    answer = call(asked, "GET", "/openapi.json", **KEY)
    assert (answer.headers["content-type"], answer.json()["info"]["title"]) == ("application/json", "≥ anything")
    inner = Documentation(PlainTextResponse(""), asked.document)
    asked.times = 0

    async def twice() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(inner), base_url="http://loan") as client:
            await client.get("/openapi.json")
            await client.get("/openapi.json")

    asyncio.run(twice())
    assert asked.times == 1


def test_the_root_leads_to_the_page_behind_a_prefix_too(asked: Asked) -> None:
    answer = call(asked, "GET", "/")
    assert (answer.status_code, answer.headers["location"]) == (307, "docs")


@pytest.mark.parametrize("path", [*DOCS_PATHS, *SWAGGER_UI, "/schema.json", "/docs.json"])
def test_another_method_is_405(asked: Asked, path: str) -> None:
    answer = call(asked, "POST", path, **KEY)
    assert (answer.status_code, answer.headers["allow"], list(answer.json())) == (405, "GET", ["error"])


def test_bentomls_calls_go_on_and_unknown_ones_are_404_in_its_shape(asked: Asked) -> None:
    assert call(asked, "POST", "/predict", **KEY).text == "BentoML"
    assert call(asked, "HEAD", "/schema.json", **KEY).status_code == 200
    unknown = call(asked, "GET", "/nothing", **KEY)
    assert (unknown.status_code, list(unknown.json())) == (404, ["error"])
    assert call(asked, "GET", "/predict", **KEY).headers["allow"] == "POST"
