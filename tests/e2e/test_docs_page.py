"""The documentation page of a real server: all that a browser loads is there, without a key, from this server."""

import re

import pytest
from installation import Server

pytestmark = pytest.mark.e2e


def test_all_that_the_page_loads_is_there_without_a_key(server: Server) -> None:
    with server.client(key=None) as client:
        page = client.get("/", follow_redirects=True)
        assert page.url.path == "/docs"
        parts = {path: client.get(f"/{path}") for path in re.findall(r'(?:src|href)="([^"]+)"', page.text)}
    assert len(parts) == 5
    for path, part in parts.items():
        assert (part.status_code, part.headers["x-content-type-options"]) == (200, "nosniff"), path
    assert "SwaggerUIBundle" in parts["static_content/swagger-ui-bundle.js"].text
    assert "javascript" in parts["static_content/swagger-ui-bundle.js"].headers["content-type"]


def test_the_document_describes_both_faces_of_this_server(server: Server) -> None:
    with server.client() as client:
        described = client.get("/openapi.json").json()
        theirs = client.get("/schema.json").json()
    assert {"/api/v1/predict", "/predict", "/score/submit"} < set(described["paths"])
    assert [route["route"] for route in theirs["routes"]] == ["/predict", "/score"]


def test_bentomls_own_page_which_calls_a_tracking_service_is_not_served(server: Server) -> None:
    with server.client() as client:
        assert client.get("/").status_code == 307
        assert client.get("/static_content/swagger-initializer.js").status_code == 404
        assert "google" not in client.get("/", follow_redirects=True).text
