"""What tests of the decision log share."""

from pathlib import Path

import pytest
from decisions import Answers

from loan_default.decision_log.segments import decisions_folder
from loan_default.model import LoanModel
from loan_default.settings import Settings


@pytest.fixture
def answers(loan_model: LoanModel) -> Answers:
    """The model that decides."""
    return Answers(loan_model)


@pytest.fixture
def folder(settings: Settings) -> Path:
    """Where this installation keeps its segments; not there yet."""
    return decisions_folder(settings)


@pytest.fixture(scope="session")
def model_folder(loan_model: LoanModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model on disk, for processes of their own."""
    path = tmp_path_factory.mktemp("model") / "loan_model"
    loan_model.save(path)
    return path


@pytest.fixture
def required(settings: Settings) -> Settings:
    """No answer without a record."""
    return settings.model_copy(update={"decision_log": "required"})
