"""What tests share: the default data, one model fitted once, and folders that look like a trained installation."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger
from models import complete, put_in_production

from loan_default.model import LoanModel
from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema
from loan_default.served import Served
from loan_default.settings import Settings
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.fit import FitOptions, Fitted, fit_decision

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "credit_data"


@pytest.fixture(scope="session", autouse=True)
def dbos_keeps_to_pytests_logs() -> None:
    """DBOS would otherwise keep the first test's captured stderr for good, which is closed when that test ends."""
    logging.getLogger("dbos").addHandler(logging.NullHandler())


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
def loan_model(fitted: Fitted, dataset: Dataset) -> LoanModel:
    """The same as a complete model."""
    return complete(fitted, dataset)


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
    return complete(fit_decision(credit_dataset, credit_schema, options), credit_dataset)


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


@pytest.fixture
def promoted_credit(settings: Settings, credit_model: LoanModel) -> Served:
    """A model with another lender's columns, promoted to production."""
    return put_in_production(settings, credit_model)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What is logged from now on: level and message of each line."""
    lines: list[str] = []
    handler = logger.add(lines.append, format="{level} {message}")
    yield lines
    logger.remove(handler)
