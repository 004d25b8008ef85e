"""The rules of the house: who may know whom, what importing may do, where things may be named."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from installation import ROOT

PACKAGE = ROOT / "loan_default"
MONITOR = sorted((ROOT / "drift").rglob("*.py"))
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_inwards(path: Path) -> None:
    # The command is the outermost layer: it draws a drift report too.
    outer = {"service", "train"} | ({"loan_default.cli", "drift"} if "cli" not in path.parts else set())
    assert not {
        name for name in imported(path) if {name, name.partition(".")[0], ".".join(name.split(".")[:2])} & outer
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_serving_never_reaches_into_training(path: Path) -> None:
    if "training" not in path.parts and "cli" not in path.parts:
        assert not {name for name in imported(path) if name.startswith("loan_default.training")}


@pytest.mark.parametrize("path", [*MODULES, *MONITOR], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_names_a_column(path: Path) -> None:
    text = path.read_text()
    for column in ("bank_balance", "annual_salary", "Bank Balance", "Annual Salary", "saving_rate", '"employed"'):
        assert column not in text


def test_settings_alone_reads_settings_from_the_environment() -> None:
    readers = {path.name for path in MODULES if "os.environ" in path.read_text() or "getenv" in path.read_text()}
    # cli/run.py, registry.py and tracking.py set what BentoML and MLflow read; metrics.py and supervisor.py ask for
    # BentoML's workers and whether they are in a container, and health_check.py is no part of a running service.
    asking_bentoml = {"metrics.py", "supervisor.py", "health_check.py"}
    assert readers <= {"settings.py", "run.py", "registry.py", "tracking.py", *asking_bentoml}


def test_importing_every_module_creates_nothing_and_prints_nothing(tmp_path: Path) -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in [*MODULES, *MONITOR]
        # MLflow runs the one, and BentoML declares a service in the other.
        if path.name not in {"__init__.py", "mlflow_model.py", "service.py"}
    ]
    code = "".join(f"import {name}\n" for name in names)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "STATE_DIR": str(tmp_path / "state")}
    environment = {name: value for name, value in environment.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", MONITOR, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_monitor_knows_neither_training_nor_the_faces_nor_the_command(path: Path) -> None:
    other = ("loan_default.training", "loan_default.api", "loan_default.cli", "service", "train", "mlflow", "xgboost")
    assert not {name for name in imported(path) if name.startswith(other)}


def test_what_a_service_imports_at_its_start_does_without_evidently_and_pandas() -> None:
    heavy = ("mlflow", "evidently", "pandas", "imblearn", "matplotlib", "sklearn")
    code = f"import sys, drift.service\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_online_faces_load_nothing_that_only_jobs_need() -> None:
    code = """
import sys
import loan_default.api.layers
print([name for name in ("pyarrow", "dbos", "sqlalchemy", "pandas", "xgboost") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_module_opens_with_what_it_is_for() -> None:
    for path in [*MODULES, *MONITOR, *ROOT.glob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_nothing_is_loaded_with_pickle() -> None:
    for path in [*MODULES, *MONITOR]:
        assert not imported(path) & {"pickle", "cloudpickle", "joblib", "dill"}
