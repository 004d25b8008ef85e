"""What tests share: the default data, one model fitted once, and folders that look like a trained installation."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loan_default.model import About, LoanModel
from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema
from loan_default.served import Served, point
from loan_default.settings import Settings
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.fit import FitOptions, Fitted, fit_decision

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "credit_data"


def complete(fitted: Fitted) -> LoanModel:
    """What was fitted as a complete model."""
    about = About(
        run_id="0123456789abcdef0123456789abcdef",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        model_type="test",
        package_version="0",
        data_sha256="0" * 64,
        seed=42,
        metrics={"oof_roc_auc": 0.9},
    )
    return LoanModel.assemble(fitted.schema, fitted.booster, fitted.decision, about)


@pytest.fixture(scope="session")
def schema() -> Schema:
    """The default declaration."""
    return load_schema(DEFAULT_SCHEMA)


@pytest.fixture(scope="session")
def dataset(schema: Schema) -> Dataset:
    """All 10,000 rows of the default data."""
    return read_dataset(ROOT / "data" / "Default_Fin.csv", schema)


@pytest.fixture(scope="session")
def fitted(dataset: Dataset, schema: Schema) -> Fitted:
    """The default options fitted to all rows."""
    return fit_decision(dataset, schema, FitOptions())


@pytest.fixture(scope="session")
def loan_model(fitted: Fitted) -> LoanModel:
    """The same as a complete model."""
    return complete(fitted)


@pytest.fixture(scope="session")
def credit_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The loans of examples/credit_data: categories, booleans in words, missing values."""
    path = tmp_path_factory.mktemp("credit") / "credit_data.csv"
    subprocess.run([sys.executable, EXAMPLE / "fetch.py", path], check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def credit_schema() -> Schema:
    """Their declaration."""
    return load_schema(EXAMPLE / "credit_data.schema.yaml")


@pytest.fixture(scope="session")
def credit_dataset(credit_csv: Path, credit_schema: Schema) -> Dataset:
    """All of those loans."""
    return read_dataset(credit_csv, credit_schema)


@pytest.fixture(scope="session")
def credit_model(credit_dataset: Dataset, credit_schema: Schema) -> LoanModel:
    """A small model of them, SMOTE included."""
    options = FitOptions(folds=3, trees=60, smote_ratio=0.6)
    return complete(fit_decision(credit_dataset, credit_schema, options))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The default settings, with a state folder of their own and nothing taken from this machine's environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return Settings(_env_file=None, state_dir=tmp_path / "state", api_key="first-key,second-key")


@pytest.fixture
def promoted(settings: Settings, loan_model: LoanModel) -> Served:
    """A model promoted to production: files where BentoML's store has them, and the pointer."""
    return put_in_production(settings, loan_model)


def put_in_production(settings: Settings, model: LoanModel) -> Served:
    """What a promotion leaves behind, without MLflow and BentoML."""
    served = Served("loan_default:7-01234567", settings.bentoml_store / "models" / "loan_default" / "7-01234567")
    model.save(served.model_folder)
    point(settings, "production", served)
    return served


@pytest.fixture
def promoted_credit(settings: Settings, credit_model: LoanModel) -> Served:
    """A model with another lender's columns, promoted to production."""
    return put_in_production(settings, credit_model)
