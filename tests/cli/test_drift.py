"""`loan-default drift report`: a page of a file, and an exit code for scripts."""

import json
from pathlib import Path

import numpy as np
import pytest
from models import put_in_production
from typer.testing import CliRunner, Result

from loan_default.cli import app
from loan_default.model import LoanModel
from loan_default.served import Served
from loan_default.settings import Settings
from loan_default.training.data import Dataset

pytestmark = pytest.mark.slow  # Evidently is imported


@pytest.fixture
def state(settings: Settings, promoted: Served, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert promoted.folder.is_dir()
    monkeypatch.setenv("STATE_DIR", str(settings.state))
    return settings.state


def report(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["drift", "report", *map(str, arguments)])


def portfolio(folder: Path, applicants: np.ndarray, name: str = "portfolio.csv") -> Path:
    path = folder / name
    np.savetxt(path, applicants, "%.17g", ",", header="employed,bank_balance,annual_salary", comments="")
    return path


@pytest.mark.usefixtures("state")
def test_applicants_as_in_training_are_quiet(dataset: Dataset, tmp_path: Path) -> None:
    path = portfolio(tmp_path, dataset.applicants[::2])
    done = report(path)
    assert (done.exit_code, done.exception) == (0, None)
    assert "5,000 rows compared with the training population of version 7" in done.output
    page = path.with_name("portfolio.csv.drift.html").read_text()
    assert "<h1>No drift</h1>" in page
    assert "Drift in column" in page


@pytest.mark.usefixtures("state")
def test_others_have_drifted_and_the_rows_that_cannot_be_scored_are_told(dataset: Dataset, tmp_path: Path) -> None:
    rows = dataset.applicants[:3_000] * np.array([1, 1, 1 / 12])
    rows[:30, 1] = -5
    done = report(portfolio(tmp_path, rows), "-o", tmp_path / "page.html")
    assert done.exit_code == 3
    assert "annual_salary  PSI" in done.output
    assert "30 rows could not be scored" in done.output
    page = (tmp_path / "page.html").read_text()
    assert "The applicants have changed" in page
    assert "30 rows of the file could not be scored" in page


@pytest.mark.usefixtures("state")
def test_for_machines_it_prints_the_verdict_alone(dataset: Dataset, tmp_path: Path) -> None:
    done = report(portfolio(tmp_path, dataset.applicants[:2_000]), "--json")
    verdict = json.loads(done.stdout)
    assert (verdict["status"], verdict["window"]["samples"]) == ("quiet", 2_000)
    assert done.exit_code == 0


@pytest.mark.usefixtures("state")
def test_what_cannot_be_read_or_written_is_one_clear_sentence(dataset: Dataset, tmp_path: Path) -> None:
    none = report(tmp_path / "none.csv")
    assert (none.exit_code, none.stderr) == (2, "error: There is no such portfolio.\n")
    path = portfolio(tmp_path, dataset.applicants[:100])
    unwritable = report(path, "-o", tmp_path / "none" / "page.html")
    assert (unwritable.exit_code, "Cannot write page.html" in unwritable.stderr) == (2, True)
    bad = report(portfolio(tmp_path, -dataset.applicants[:100], "bad.csv"))
    assert (bad.exit_code, "None of the rows can be scored" in bad.stderr) == (2, True)


def test_a_model_without_a_reference_says_so(
    settings: Settings, loan_model: LoanModel, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(settings.state))
    about = loan_model.about
    bare = LoanModel.assemble(loan_model.schema, loan_model.booster, loan_model.decision, about)
    put_in_production(settings, bare)
    done = report(portfolio(tmp_path, dataset.applicants[:100]))
    assert (done.exit_code, "train again" in done.stderr) == (2, True)
