"""Another lender's data, as a newcomer would bring them: the page on own data, word for word, and the example."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import pytest
from installation import KEY, ROOT, Installation, Server, free_port, serving
from worked_examples import blocks

from loan_default.model import LoanModel
from loan_default.served import find_served
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs" / "own-data.md").read_text()
INFER, CHECK, TRAIN, SERVE, CURL, DIFF = blocks(PAGE, "bash")
EXAMPLE = ROOT / "examples" / "credit_data"


class Newcomer:
    """Follows the page with a file of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installation = Installation(folder / "state")

    def as_typed(self, command: str) -> str:
        """A command of the page, with this newcomer's file and this environment's programs."""
        named = command.replace(".venv/bin/", "")
        return re.sub(r"\bloans\.(csv|schema\.yaml)", rf"{self.folder}/loans.\1", named)

    def types(self, command: str) -> subprocess.CompletedProcess[str]:
        return self.installation.run("bash", "-c", self.as_typed(command))


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, credit_csv: Path) -> Newcomer:
    """Has a declaration inferred, checked, and a model trained with it, untouched."""
    newcomer = Newcomer(tmp_path_factory.mktemp("newcomer"))
    shutil.copy(credit_csv, newcomer.folder / "loans.csv")
    for command, said in ((INFER, "loans.schema.yaml"), (CHECK, "4,454 applicants"), (TRAIN, "Promoted to production")):
        done = newcomer.types(command)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
    return newcomer


@pytest.fixture(scope="module")
def running(newcomer: Newcomer) -> Iterator[Server]:
    """What `make serve` starts."""
    port = free_port()
    variables = {**newcomer.installation.environment, "PORT": str(port)}
    assert SERVE == "make serve\n"
    with serving(["make", "serve"], variables, ROOT, newcomer.folder / "log", port=port) as server:
        yield server


@pytest.fixture(scope="module")
def example(newcomer: Newcomer) -> dict[str, Any]:
    done = newcomer.types("loan-default schema example loans.schema.yaml")
    applicant: dict[str, Any] = json.loads(done.stdout)
    return applicant


def test_the_curl_line_of_the_page_scores_the_declarations_example(newcomer: Newcomer, running: Server) -> None:
    (newcomer.folder / "state" / "api_key").write_text(KEY)
    command = CURL.replace("http://127.0.0.1:3000", running.url)
    answer = newcomer.types(command.replace("state/api_key", f"{newcomer.folder}/state/api_key"))
    data = json.loads(answer.stdout)["data"]
    assert 0 < data["probability"] < 1
    assert data["features_used"]["job"] == "fixed"


def test_bentomls_own_face_takes_categories_and_missing_values(running: Server, example: dict[str, Any]) -> None:
    applicants = [example, {**example, "income": None}, {**example, "job": "partime"}]
    with running.client() as rest, bentoml.SyncHTTPClient(running.url, token=KEY) as native:
        answers = native.predict(applications=applicants)
        alone = [rest.post("/api/v1/predict", json=applicant).json()["data"] for applicant in applicants]
    ids = [answer.pop("decision_id") for answer in (*answers, *alone)]
    assert len(set(ids)) == 6
    assert answers == alone
    assert len({answer["probability"] for answer in answers}) == 3
    assert answers[1]["features_used"]["income"] is None


def test_an_unknown_category_is_refused_on_both_faces_and_counted(running: Server, example: dict[str, Any]) -> None:
    pirate = {**example, "job": "pirate"}
    with running.client() as client:
        assert client.post("/api/v1/predict", json=pirate).status_code == 422
        scored, refused = client.post("/predict", json={"applications": [example, pirate]}).json()
        assert "probability" in scored
        assert "job: must be one of" in refused["message"]
        metrics = client.get("/metrics").text
    assert 'loan_unknown_categories_total{column="job",outcome="refused"} 2.0' in metrics
    assert "pirate" not in metrics


def test_the_documentation_shows_these_columns(running: Server, newcomer: Newcomer) -> None:
    with running.client() as client:
        applicant = client.get("/docs.json").json()["components"]["schemas"]["Applicant"]
    assert applicant["properties"]["records"]["enum"] == ["no", "yes"]
    assert {"home", "job", "income", "assets", "debt"} == set(applicant["properties"]) - set(applicant["required"])
    assert newcomer.folder.is_dir()


def test_a_model_that_would_break_callers_waits_for_a_new_deployment(
    running: Server, newcomer: Newcomer, example: dict[str, Any]
) -> None:
    text = (newcomer.folder / "loans.schema.yaml").read_text()
    narrower = newcomer.folder / "narrower.schema.yaml"
    narrower.write_text(re.sub(r"(header: Seniority\n(?:    .*\n)*?    minimum: 0\n)", r"\1    maximum: 60\n", text))
    done = newcomer.types(f"loan-default train --data loans.csv --schema {narrower}")
    assert done.returncode == 3
    assert "seniority: was an integer ≥ 0 and is an integer from 0 to 60, which is narrower" in done.stderr
    with running.client() as client:
        assert client.post("/api/v1/predict", json=example).json()["data"]["model_version"] == "1"
    assert served_version(newcomer) == "1"


def served_version(newcomer: Newcomer) -> str:
    return find_served(Settings(_env_file=None, state_dir=newcomer.folder / "state"), ROOT).version


def test_after_the_service_stopped_any_model_is_promoted(newcomer: Newcomer, running: Server) -> None:
    assert newcomer.types(DIFF).stdout == "Nothing changes for callers.\n"
    running.stop()
    done = newcomer.types("python train.py")  # other columns altogether
    assert done.returncode == 0, done.stderr
    assert served_version(newcomer) == "3"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, credit_csv: Path) -> Installation:
    """The example, trained as its README says."""
    installation = Installation(tmp_path_factory.mktemp("example") / "state")
    schema = EXAMPLE / "credit_data.schema.yaml"
    done = installation.run(
        sys.executable, "train.py", "--data", str(credit_csv), "--schema", str(schema), COLUMNS="160"
    )
    assert done.returncode == 0, done.stderr
    return Installation(installation.state, done.stdout)


def test_the_figures_of_the_example_are_the_ones_that_are_shown(trained: Installation) -> None:
    metrics = model_of(trained).about.metrics
    rows = re.findall(
        r"^\| ([\w /-]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) – ([\d.]+) \| ([\d.]+) \|$",
        (EXAMPLE / "README.md").read_text(),
        re.MULTILINE,
    )
    names = ["roc_auc", "pr_auc", "brier", "calibration_error", "accuracy", "recall", "precision", "f1"]
    prefixes = ("oof", "holdout", "holdout_low", "holdout_high", "logistic_oof")
    assert [cells for _, *cells in rows] == [[f"{metrics[f'{p}_{name}']:.4f}" for p in prefixes] for name in names]


def test_the_report_slices_by_the_audit_columns(trained: Installation) -> None:
    row = r"│ (\w+) +│ ([\w ]+?) +│ +[\d,]+ │ +([\d.]+)% │ +[\d.]+% – +[\d.]+% │ +[\d.]+% │ +([\d.]+)% │"
    slices = re.findall(row, trained.training_output)
    found = {(column, group): (float(defaulted), float(declined)) for column, group, defaulted, declined in slices}
    assert found["age", "under 25"] == (37.0, 56.1)
    assert found["age", "55 and over"] == (18.9, 19.9)
    assert ("marital_status", "single") in found
    code = """
from pathlib import Path
from loan_default.tracking import EXPERIMENT, mlflow_here
from loan_default.settings import read_settings
mlflow = mlflow_here(read_settings())
runs = mlflow.search_runs(experiment_names=[EXPERIMENT], output_format="list")
print(len(mlflow.artifacts.load_dict(runs[0].info.artifact_uri + "/slices.json")["slices"]))
"""
    assert trained.python(code) == str(len(slices))


def test_the_registered_mlflow_model_answers_like_ours_to_the_last_bit(trained: Installation, credit_csv: Path) -> None:
    code = f"""
import numpy as np, pandas as pd
from pathlib import Path
from loan_default.served import REGISTERED_NAME
from loan_default.tracking import mlflow_here
from loan_default.served import find_served
from loan_default.model import LoanModel
from loan_default.settings import read_settings
from loan_default.training.data import read_dataset
mlflow = mlflow_here(read_settings())
ours = LoanModel.load(find_served(read_settings(), Path("/nowhere")).model_folder)
loans = pd.read_csv({str(credit_csv)!r}, keep_default_na=False, na_values=[""])
table = loans.rename(columns={{c.header: c.name for c in ours.schema.columns}})[ours.schema.column_names]
numbers = [c.name for c in ours.schema.columns if c.type == "number"]
table[numbers] = table[numbers].astype(float)  # MLflow takes no int64 for a double
theirs = mlflow.pyfunc.load_model(f"models:/{{REGISTERED_NAME}}@production").predict(table)
direct = ours.pd(read_dataset(Path({str(credit_csv)!r}), ours.schema).applicants)
print(np.array_equal(theirs["probability"].to_numpy(), direct), len(theirs))
"""
    assert trained.python(code) == "True 4454"


def model_of(installation: Installation) -> LoanModel:
    settings = Settings(_env_file=None, state_dir=installation.state)
    return LoanModel.load(find_served(settings, ROOT).model_folder)
