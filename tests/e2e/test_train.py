"""`python train.py` as a user runs it: what it leaves in MLflow and the BentoML store, twice, refused, interrupted."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from installation import ROOT, Installation, environment

from loan_default.model import LoanModel
from loan_default.reference import PopulationWatch
from loan_default.served import find_served
from loan_default.settings import Settings
from loan_default.training.data import read_dataset

pytestmark = pytest.mark.e2e


def served_model(installation: Installation) -> LoanModel:
    settings = Settings(_env_file=None, state_dir=installation.state)
    return LoanModel.load(find_served(settings, ROOT).model_folder)


def test_it_shows_figures_gates_and_what_was_promoted(installation: Installation) -> None:
    output = installation.training_output
    for expected in (
        "ROC-AUC",
        "95 % interval",
        "logistic regression",
        "May it be promoted?",
        "Promoted to production",
    ):
        assert expected in output
    assert "FAILED" not in output


def test_the_run_the_version_and_both_aliases_are_in_mlflow(installation: Installation) -> None:
    seen = installation.python(
        "import json, mlflow\n"
        "from loan_default.settings import read_settings\n"
        "mlflow.set_tracking_uri(read_settings().tracking_uri)\n"
        "client = mlflow.MlflowClient()\n"
        "version = client.get_model_version_by_alias('loan_default_model', 'production')\n"
        "run = client.get_run(version.run_id)\n"
        "experiment = client.get_experiment(run.info.experiment_id)\n"
        "aliases = sorted(version.aliases)\n"
        "print(json.dumps([str(version.version), aliases, experiment.name, run.data.metrics, run.data.params]))"
    )
    version, aliases, experiment, metrics, parameters = json.loads(seen.splitlines()[-1])
    assert (version, aliases) == ("1", ["production", "staging"])
    assert experiment == "loan-default-prediction"
    assert metrics == served_model(installation).about.metrics
    assert parameters["data_sha256"] == served_model(installation).about.data_sha256


def test_the_figures_reach_what_the_old_system_did_not(installation: Installation) -> None:
    metrics = served_model(installation).about.metrics
    assert metrics["oof_roc_auc"] >= 0.942
    assert metrics["oof_pr_auc"] >= 0.47
    assert metrics["oof_brier"] <= 0.0225
    assert metrics["oof_calibration_error"] <= 0.01
    assert abs(metrics["oof_mean_pd_to_base_rate"] - 1) <= 0.05
    for figure, floor in (("recall", 0.77), ("f1", 0.40), ("accuracy", 0.92)):
        assert metrics[f"oof_{figure}"] >= floor, figure
    assert metrics["holdout_low_roc_auc"] < metrics["holdout_roc_auc"] < metrics["holdout_high_roc_auc"]


def test_the_training_population_travels_with_the_model_and_all_applicants_are_no_drift_from_it(
    installation: Installation,
) -> None:
    model = served_model(installation)
    assert model.reference is not None
    assert {bins.rows for bins in model.reference.features.values()} == {8_000}
    assert model.reference.pd.rows == 2_000
    rows = read_dataset(ROOT / "data" / "Default_Fin.csv", model.schema).applicants
    watch = PopulationWatch(model.reference, 0.15)
    drift = watch.drift(watch.counts(model.features.matrix(rows), model.pd(rows)))
    assert list(drift) == [*model.schema.feature_names, "PD"]
    assert all(found.psi < 0.01 for found in drift.values())


def test_nothing_in_the_stores_is_a_pickle(installation: Installation) -> None:
    for store in ("mlartifacts", "bentoml/models"):
        files = [path for path in (installation.state / store).rglob("*") if path.is_file()]
        assert files
        assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".joblib", ".cloudpickle"}]


def test_the_registered_mlflow_model_answers_like_ours_to_the_last_bit(installation: Installation) -> None:
    printed = installation.python(
        "import json, mlflow, pandas as pd\n"
        "from loan_default.settings import read_settings\n"
        "mlflow.set_tracking_uri(read_settings().tracking_uri)\n"
        "model = mlflow.pyfunc.load_model('models:/loan_default_model@production')\n"
        "rows = {'employed': [1, 0], 'bank_balance': [8754.36, 29000.0], 'annual_salary': [532339.56, 120000.0]}\n"
        "print(model.predict(pd.DataFrame(rows)).to_dict(orient='list')['default_risk'])\n"
        "print([p.hex() for p in model.predict(pd.DataFrame(rows))['probability']])"
    )
    bands, bits = printed.splitlines()[-2:]
    model = served_model(installation)
    expected = model.pd(np.array([[1, 8754.36, 532339.56], [0, 29000.0, 120000.0]]))
    assert bits == str([float(pd).hex() for pd in expected])
    assert bands == str([model.decision.band(pd) for pd in expected.tolist()])


def test_the_same_seed_gives_the_same_model_file_and_figures(installation: Installation, tmp_path: Path) -> None:
    again = Installation(tmp_path)
    assert again.run(sys.executable, "train.py").returncode == 0
    first, second = (
        find_served(Settings(_env_file=None, state_dir=state), ROOT).model_folder
        for state in (installation.state, tmp_path)
    )
    for name in ("booster.ubj", "decision.json", "schema.json", "reference.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert served_model(installation).about.metrics == served_model(again).about.metrics


DOCUMENTS = """
import json
from loan_default.tracking import EXPERIMENT, client
from loan_default.settings import read_settings
found = client(read_settings())
experiment = found.get_experiment_by_name(EXPERIMENT)
runs = found.search_runs([experiment.experiment_id], "", order_by=["attributes.start_time ASC"])
parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
files = sorted(file.path for file in found.list_artifacts(parents[0].info.run_id, "documents"))
print(json.dumps([files, parents[0].data.tags, [run.data.metrics for run in runs if run not in parents]]))
"""
STATUSES = """
from loan_default.settings import read_settings
from loan_default.tracking import EXPERIMENT, client
found = client(read_settings())
experiment = found.get_experiment_by_name(EXPERIMENT)
print([run.info.status for run in found.search_runs([experiment.experiment_id])])
"""
PICTURES = (
    "confusion_matrix",
    "contributions",
    "importance",
    "precision_recall",
    "reliability",
    "roc",
    "score_distribution",
    "slices",
    "threshold",
)


def test_pictures_card_and_lineage_are_in_the_run_and_the_card_goes_with_the_model(installation: Installation) -> None:
    files, tags, _ = json.loads(installation.python(DOCUMENTS))
    pictures = [f"documents/{name}.png" for name in PICTURES]
    assert files == sorted([*pictures, "documents/model_card.html", "documents/model_card.md"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", tags["git_commit"])
    assert len(tags["lock_sha256"]) == 64
    assert tags["library.xgboost-cpu"]
    folder = find_served(Settings(_env_file=None, state_dir=installation.state), ROOT).model_folder
    card = (folder / "model_card.md").read_text()
    assert f"{served_model(installation).about.metrics['oof_roc_auc']:.4f}" in card
    assert "<html" in (folder / "model_card.html").read_text()


def test_a_search_logs_each_trial_and_answers_for_machines(tmp_path: Path) -> None:
    searching = Installation(tmp_path)
    done = searching.run(
        sys.executable, "train.py", "--trials", "2", "--json", "--policy", "cost", "--cost-ratio", "15"
    )
    assert done.returncode in {0, 3}, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["policy"] == {"name": "cost", "cost_ratio": 15.0}
    assert outcome["version"] == "1"
    assert {gate["figure"] for gate in outcome["gates"]} >= {"roc_auc", "brier"}
    _, _, trials = json.loads(searching.python(DOCUMENTS))
    assert len(trials) == 2
    assert all(trial["log_loss"] < 0.1 for trial in trials)


def test_gates_that_fail_register_but_promote_nothing(tmp_path: Path) -> None:
    refused = Installation(tmp_path)
    done = refused.run("loan-default", "train", "--recall-floor", "0.3")
    assert done.returncode == 3
    assert "Version 1 was not promoted to production: recall 0." in done.stderr
    assert not list((tmp_path / "served").glob("*.json"))
    assert "version 1 refused (production)" in refused.run("loan-default", "history").stdout


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "There is no file"),
        ("", "is empty"),
        ("Index,Employed,Bank Balance,Annual Salary\n1,1,2,3\n", "lacks the column 'Defaulted?'"),
        ("Index,Employed,Bank Balance,Annual Salary,Defaulted?\n", "no rows"),
        ("Index,Employed,Bank Balance,Annual Salary,Defaulted?\n1,1,much,3,0\n", "'much' in line 2"),
        ("Index,Employed,Bank Balance,Annual Salary,Defaulted?\n1,1,2,3,0\n", "needs both"),
    ],
)
def test_bad_data_is_one_clear_sentence_and_exit_code_2(tmp_path: Path, content: str | None, complaint: str) -> None:
    path = tmp_path / "data.csv"
    if content is not None:
        path.write_text(content)
    fresh = Installation(tmp_path / "state")
    done = fresh.run(sys.executable, "train.py", "--data", str(path))
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state" / "mlflow.db").exists()


@pytest.mark.slow
def test_a_training_killed_at_any_step_can_simply_be_run_again(tmp_path: Path) -> None:
    """kill -9 as soon as each kind of file appears, on the same state; then once to the end, as if nothing had been."""
    variables = environment(tmp_path)
    for trace in ("mlflow.draft", "mlartifacts/models/*/artifacts/*", "bentoml/models/loan_default/*", "served/*"):
        seen = set(tmp_path.glob(trace))
        process = subprocess.Popen(
            [sys.executable, "train.py"],
            cwd=ROOT,
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and set(tmp_path.glob(trace)) <= seen:
            time.sleep(0.002)
        assert process.poll() is None, f"it ended before {trace} appeared"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    survivor = Installation(tmp_path)
    done = survivor.run(sys.executable, "train.py")
    assert done.returncode == 0, done.stderr
    assert served_model(survivor).about.seed == 42
    assert not list(tmp_path.glob("mlflow.draft*"))
    assert "RUNNING" not in survivor.python(STATUSES)


@pytest.mark.slow
def test_a_search_that_is_killed_leaves_nothing_and_one_killed_while_it_is_logged_can_be_run_again(
    tmp_path: Path,
) -> None:
    searching = Installation(tmp_path)
    order = [sys.executable, "train.py", "--trials", "2", "--folds", "2", "--smote-ratio", "0"]
    for said, written in (("held out by row hash", False), ("Logging to MLflow", True)):
        process = subprocess.Popen(
            [sys.executable, "-u", *order[1:]],
            cwd=ROOT,
            env=searching.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert any(said in line for line in process.stdout), f"it ended before it said {said!r}"
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert (tmp_path / "mlflow.db").exists() is written
        assert not list(tmp_path.glob("served/*.json"))
    assert searching.run("loan-default", "history").returncode == 0
    done = searching.run(*order, "--json")
    assert done.returncode in {0, 3}, done.stderr
    assert json.loads(done.stdout)["version"] == "1"  # what was killed registered nothing
    assert "RUNNING" not in searching.python(STATUSES)


def test_a_half_written_import_is_replaced_and_promoting_twice_changes_nothing(tmp_path: Path) -> None:
    torn = Installation(tmp_path)
    assert torn.run(sys.executable, "train.py").returncode == 0
    settings = Settings(_env_file=None, state_dir=tmp_path)
    served = find_served(settings, ROOT)
    run_id = served_model(torn).about.run_id
    pointer = (tmp_path / "served" / "production.json").read_bytes()
    (served.folder / "model.yaml").unlink()
    (served.model_folder / "booster.ubj").unlink()
    for _ in range(2):
        assert served.tag in torn.run("loan-default", "promote", "1").stdout
        assert LoanModel.load(served.model_folder).about.run_id == run_id
        assert (tmp_path / "served" / "production.json").read_bytes() == pointer
