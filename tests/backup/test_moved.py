"""MLflow's addresses after its store has come to another place: a real store."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from loan_default.backup.moved import point_to
from loan_default.settings import Settings
from loan_default.tracking import mlflow_here, training_run

pytestmark = [
    pytest.mark.integration,
    # The business of a library that is imported here alone.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]


def test_artifacts_are_found_where_the_store_has_come_to(settings: Settings, tmp_path: Path) -> None:
    with training_run(settings) as run_id:
        mlflow_here(settings).log_dict({"figure": 1}, "figures.json")
    moved = settings.state.rename(tmp_path / "moved state")
    there = Settings(_env_file=None, state_dir=moved, mlflow_tracking_uri=None)
    assert point_to(moved / "mlflow.db", moved) > 0
    mlflow = mlflow_here(there)
    assert mlflow.artifacts.load_dict(mlflow.MlflowClient().get_run(run_id).info.artifact_uri + "/figures.json") == {
        "figure": 1
    }
    assert point_to(moved / "mlflow.db", moved) == 0
    with training_run(there) as another:
        mlflow.log_dict({"figure": 2}, "figures.json")
    assert list((moved / "mlartifacts").rglob(f"{another}/artifacts/figures.json"))
    assert not settings.state.exists()


def test_addresses_of_other_places_stay_as_they_are(tmp_path: Path) -> None:
    addresses = ["s3://bucket/mlartifacts/x", "mlflow-artifacts:/1/abc", "models:/m-1", "/data/mlruns/0"]
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE runs (artifact_uri)")
        connection.executemany("INSERT INTO runs VALUES (?)", [(address,) for address in addresses])
        connection.execute("INSERT INTO runs VALUES ('file:///old/state/mlartifacts/run/artifacts')")
    assert point_to(tmp_path / "mlflow.db", Path("/new")) == 1
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        found = [row[0] for row in connection.execute("SELECT artifact_uri FROM runs")]
    assert found == [*addresses, "file:///new/mlartifacts/run/artifacts"]
