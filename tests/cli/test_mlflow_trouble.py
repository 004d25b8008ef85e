"""A registry that refuses or cannot be reached is told in a sentence, without the password in its address."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from installation import ROOT
from typer.testing import CliRunner

from loan_default.cli import app


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # its name
        self.send_response(401)
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.integration
def test_a_login_that_is_missing_is_told_without_a_password(
    port: int, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("STATE_DIR", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:my-password@127.0.0.1:{port}")
    result = CliRunner().invoke(app, ["history"])
    assert result.exit_code == 2
    assert result.output.startswith("error: MLflow: ")
    assert "401" in result.output
    assert "my-password" not in result.output
    assert "Check MLFLOW_TRACKING_URI and its login." in result.output
