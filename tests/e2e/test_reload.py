"""`make dev`: a change of the code is served within seconds, by a server on the same stores."""

import shutil
import sys
from pathlib import Path

import httpx
import pytest
from decisions import wait_for
from installation import ROOT, Installation, free_port, serving

pytestmark = pytest.mark.e2e

APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
CODE = ("service.py", "bentofile.yaml", ".bentoignore", "loan_default", "drift", "data", "requirements")


def test_a_file_that_is_saved_is_served_anew(installation: Installation, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in CODE:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, project / name)
    port = free_port()
    variables = {**installation.copy(tmp_path / "state").environment, "PYTHONPATH": str(project), "PORT": str(port)}
    command = [sys.executable, "-m", "loan_default.cli", "serve", "--reload"]
    with serving(command, variables, project, tmp_path / "log", port=port) as server, server.client() as client:

        def said() -> str:
            try:
                return str(client.post("/api/v1/predict", json=APPLICANT).json()["message"])
            except httpx.TransportError:
                return "it starts"

        assert said() == "Scored."
        code = project / "loan_default" / "api" / "predict.py"
        assert code.read_text().count('"Scored."') == 1
        code.write_text(code.read_text().replace('"Scored."', '"Scored anew."'))
        wait_for(lambda: said() == "Scored anew.", within_s=60)
