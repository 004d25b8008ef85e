"""The documentation page: opens without a key, loads nothing from elsewhere, runs nothing inline, holds no secret."""

import re

import httpx
import pytest
from face import KEY, Face
from installation import ROOT

from loan_default.api.docs_page import DOCS_PATHS, OPEN_DOCS_PATHS, SWAGGER_UI
from loan_default.schema import Schema
from loan_default.served import Served
from loan_default.settings import Settings

PAGE = ROOT / "loan_default" / "api" / "page"


@pytest.fixture
def face(settings: Settings) -> Face:
    """Without a model: the documentation is there all the same."""
    return Face(settings)


def call(face: Face, method: str, path: str, **headers: str) -> httpx.Response:
    return face.call(method, path, headers=headers)


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/docs", "text/html"), ("/docs/page.css", "text/css"), ("/docs/page.js", "text/javascript")],
)
def test_the_page_and_its_parts_open_without_a_key(face: Face, path: str, media_type: str) -> None:
    answer = call(face, "GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{media_type}; charset=utf-8")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_swagger_ui_comes_from_bentoml_without_a_key_and_is_not_sniffed(face: Face) -> None:
    for path in SWAGGER_UI:
        answer = call(face, "GET", path)
        assert (answer.text, answer.headers["x-content-type-options"]) == ("BentoML's own face", "nosniff")


def test_the_other_files_of_bentoml_are_not_served(face: Face) -> None:
    path = "/static_content/swagger-initializer.js"
    assert call(face, "GET", path).status_code == 401
    assert call(face, "GET", path, **KEY).status_code == 404


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere(face: Face) -> None:
    policy = call(face, "GET", "/docs").headers["content-security-policy"]
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
    assert loaded <= OPEN_DOCS_PATHS


def test_the_document_needs_a_key_of_any_scope(face: Face) -> None:
    assert call(face, "GET", "/openapi.json").status_code == 401
    answer = call(face, "GET", "/openapi.json", **KEY)
    assert (answer.headers["content-type"], answer.json()["info"]["title"]) == ("application/json", "loan-default")


def test_the_document_is_that_of_the_model_which_answers(
    settings: Settings, promoted_credit: Served, credit_schema: Schema
) -> None:
    assert promoted_credit.model_folder.is_dir()
    face = Face(settings)
    first, second = (call(face, "GET", "/openapi.json", **KEY) for _ in range(2))
    assert first.content == second.content
    assert list(first.json()["components"]["schemas"]["Applicant"]["properties"]) == credit_schema.column_names


def test_the_root_leads_to_the_page_behind_a_prefix_too(face: Face) -> None:
    answer = call(face, "GET", "/")
    assert (answer.status_code, answer.headers["location"]) == (307, "docs")


@pytest.mark.parametrize("path", [*DOCS_PATHS, *SWAGGER_UI, "/schema.json", "/docs.json"])
def test_another_method_is_405(face: Face, path: str) -> None:
    answer = call(face, "POST", path, **KEY)
    assert (answer.status_code, answer.headers["allow"], list(answer.json())) == (405, "GET", ["error"])


def test_bentomls_calls_go_on_and_unknown_ones_are_404_in_its_shape(face: Face) -> None:
    assert call(face, "HEAD", "/schema.json", **KEY).status_code == 200
    unknown = call(face, "GET", "/nothing", **KEY)
    assert (unknown.status_code, list(unknown.json())) == (404, ["error"])
    assert call(face, "GET", "/predict", **KEY).headers["allow"] == "POST"
