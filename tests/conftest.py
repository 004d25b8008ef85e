"""What tests share: the default data, one model fitted once, and folders that look like a trained installation."""

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


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The default settings, with a state folder of their own and nothing taken from this machine's environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return Settings(_env_file=None, state_dir=tmp_path / "state", api_key="first-key,second-key")


@pytest.fixture
def promoted(settings: Settings, loan_model: LoanModel) -> Served:
    """A model promoted to production: files where BentoML's store has them, and the pointer."""
    served = Served("loan_default:7-01234567", settings.bentoml_store / "models" / "loan_default" / "7-01234567")
    loan_model.save(served.model_folder)
    point(settings, "production", served)
    return served
