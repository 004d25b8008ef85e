"""A registry that refuses or cannot be reached is told in a sentence, without the password in its address."""

from collections.abc import Iterator

import pytest
from installation import ROOT
from local_http import Quiet, answering
from typer.testing import CliRunner

from loan_default.cli import app


class Refusing(Quiet):
    def do_GET(self) -> None:  # noqa: N802  # the name that it is called by
        self.send_response(401)
        self.end_headers()

    do_POST = do_GET  # noqa: N815


@pytest.fixture
def port() -> Iterator[int]:
    with answering(Refusing) as port:
        yield port


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
