"""What tests of commands share."""

import pytest

from loan_default.settings import Settings


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands read the state folder of the test."""
    monkeypatch.setenv("STATE_DIR", str(settings.state))
    monkeypatch.chdir(settings.state.parent)  # where no .env is
