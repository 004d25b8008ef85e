"""State folders to back up, and to restore into."""

from pathlib import Path

import pytest
from state_folder import FILES, LEFT_OUT, database, write

from loan_default.settings import Settings


@pytest.fixture
def kept(settings: Settings) -> Settings:
    """The settings of a state folder that is worth a back-up."""
    write(settings.state, FILES | LEFT_OUT)
    database(settings.state / "mlflow.db")
    database(settings.state / "jobs" / "jobs.sqlite")
    return settings


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Settings:
    """The settings of a folder to restore into."""
    assert settings.state_dir != tmp_path / "elsewhere" / "state"  # and nothing of this machine's environment
    return Settings(_env_file=None, state_dir=tmp_path / "elsewhere" / "state")
