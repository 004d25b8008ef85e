"""What the README shows is what a fresh installation does: its curl line, its refusal, its figures, its Python."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from installation import KEY, ROOT, Installation, Server
from worked_examples import approximately, blocks

from loan_default.model import LoanModel
from loan_default.served import find_served
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

README = (ROOT / "README.md").read_text()
ANSWER, REFUSAL = (json.loads(block) for block in blocks(README, "json"))


def test_the_curl_line_gets_the_answer_that_is_shown(server: Server, tmp_path: Path) -> None:
    (line,) = re.findall(r"```bash\n(curl .*?)```", README, flags=re.DOTALL)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "api_key").write_text(KEY)
    command = line.replace("http://127.0.0.1:3000", server.url)
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
    answer = json.loads(done.stdout)
    ids = [content["data"].pop("decision_id") for content in (answer, ANSWER)]
    assert ids[0] != ids[1]
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)
    assert answer == approximately(ANSWER)


def test_the_refusal_is_the_one_that_is_shown(server: Server) -> None:
    applicant = {"employed": 1, "bank_balance": -5, "annual_salary": 532339.56}
    with server.client() as client:
        assert client.post("/api/v1/predict", json=applicant).json() == REFUSAL


def test_the_python_example_runs(server: Server, installation: Installation) -> None:
    (example,) = blocks(README, "python")
    code = f"KEY = {KEY!r}\n" + example.replace("http://127.0.0.1:3000", server.url) + "print(answers)"
    assert "'default_risk': 'Low'" in installation.python(code)


def test_the_figures_are_the_ones_that_are_shown(installation: Installation) -> None:
    settings = Settings(_env_file=None, state_dir=installation.state)
    metrics = LoanModel.load(find_served(settings, ROOT).model_folder).about.metrics
    rows = re.findall(
        r"^\| ([\w /-]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) – ([\d.]+) \| ([\d.]+) \|$", README, re.MULTILINE
    )
    names = {"ROC-AUC": "roc_auc", "PR-AUC": "pr_auc", "Brier score": "brier", "calibration error": "calibration_error"}
    names |= {"accuracy": "accuracy", "recall": "recall", "precision": "precision", "F1": "f1"}
    assert [row[0] for row in rows] == list(names)
    for label, *cells in rows:
        prefixes = ("oof", "holdout", "holdout_low", "holdout_high", "logistic_oof")
        assert cells == [f"{metrics[f'{prefix}_{names[label]}']:.4f}" for prefix in prefixes], label
