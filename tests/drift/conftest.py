"""What tests of the drift monitor share."""

from collections.abc import Iterator

import pytest
from samples import introduction

from drift.monitor import Monitor
from loan_default.model import LoanModel
from loan_default.settings import Settings


@pytest.fixture
def monitor(settings: Settings, loan_model: LoanModel) -> Iterator[Monitor]:
    """A monitor that knows the default model."""
    running = Monitor(settings, 0.0)
    running.introduce(introduction(loan_model), 0.0)
    yield running
    running.close()
