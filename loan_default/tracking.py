"""The runs of trainings in MLflow: what was tried, measured and written, and which of them ended.

Our own store is an SQLite database in the state folder; MLFLOW_TRACKING_URI names another. A training that is killed
leaves its run open. It holds a lock while it lives, so the next training knows, and closes the run as killed.
"""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from loan_default.locks import locked
from loan_default.model import About
from loan_default.settings import Settings

EXPERIMENT = "loan-default-prediction"


@contextmanager
def training_run(settings: Settings) -> Iterator[str]:
    """An open MLflow run in our experiment; yields its id. A training that fails leaves a run marked as failed."""
    mlflow = mlflow_here(settings)
    alive = settings.state / "running"
    with locked(alive / ".lock"):
        _close_killed(mlflow, alive)
        run = mlflow.start_run(experiment_id=_experiment(mlflow, settings))
        sign = alive / run.info.run_id
        lock = os.open(sign, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with run:
            yield run.info.run_id
    finally:
        sign.unlink(missing_ok=True)
        os.close(lock)


def _close_killed(mlflow: Any, alive: Path) -> None:
    """Close the runs of trainings on this machine that died without closing them, and the trials they had open."""
    for sign in [path for path in alive.iterdir() if path.name != ".lock"]:
        with sign.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # it is being trained
            with suppress(mlflow.exceptions.MlflowException):  # it was deleted, or was in another store
                _close(mlflow.MlflowClient(), sign.name)
            sign.unlink(missing_ok=True)


def _close(client: Any, run_id: str) -> None:
    run = client.get_run(run_id)
    trials = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    for each in (run, *trials):
        if each.info.status == "RUNNING":
            client.set_terminated(each.info.run_id, "KILLED")


def log_figures(settings: Settings, parameters: Mapping[str, object], figures: Mapping[str, float]) -> None:
    """Write parameters and figures to the open run."""
    mlflow = mlflow_here(settings)
    mlflow.log_params(dict(parameters))
    mlflow.log_metrics(dict(figures))


def log_slices(settings: Settings, slices: Sequence[Mapping[str, object]]) -> None:
    """Write the figures of groups to the open run, as `slices.json`."""
    if slices:
        mlflow_here(settings).log_dict({"slices": list(slices)}, "slices.json")


def log_gates(settings: Settings, gates: Sequence[Mapping[str, object]]) -> None:
    """Write what was asked of the figures, and the verdicts, to the open run, as `gates.json`."""
    mlflow_here(settings).log_dict({"gates": list(gates)}, "gates.json")


def log_trial(
    settings: Settings, name: str, options: Mapping[str, object], figures: Mapping[str, float], failure: str | None
) -> None:
    """Write one trial of a search as a child of the open run; one without figures has failed, and says why."""
    mlflow = mlflow_here(settings)
    with mlflow.start_run(experiment_id=_experiment(mlflow, settings), run_name=name, nested=True):
        mlflow.log_params(dict(options))
        mlflow.log_metrics(dict(figures))
        mlflow.set_tag("outcome", "measured" if figures else "failed")
        if failure:
            mlflow.set_tag("failure", failure)


def log_lineage(settings: Settings, about: About) -> None:
    """Write to the open run what it was made of: code, locked packages and installed versions."""
    tags = {f"library.{name}": version for name, version in about.libraries.items()}
    tags |= {"git_commit": about.git_commit or "unknown", "lock_sha256": about.lock_sha256 or "unknown"}
    mlflow_here(settings).set_tags(tags)


def log_documents(settings: Settings, documents: Mapping[str, bytes]) -> None:
    """Write pictures and the model card to the open run, under `documents`."""
    mlflow = mlflow_here(settings)
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in documents.items():
            (Path(scratch) / name).write_bytes(content)
        mlflow.log_artifacts(scratch, "documents")


def client(settings: Settings) -> Any:
    """MLflow's client of our store."""
    return mlflow_here(settings).MlflowClient()


def mlflow_here(settings: Settings) -> Any:
    """MLflow, pointed at our store. Imported here alone and late: it takes seconds, and serving does without it."""
    settings.state.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # in a container there is no git, which is nobody's mistake
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if settings.mlflow_tracking_uri is None:
        _create_store(mlflow, settings.mlflow_database)
    mlflow.set_tracking_uri(settings.tracking_uri)
    return mlflow


def _create_store(mlflow: Any, database: Path) -> None:
    """Create our own SQLite store whole or not at all.

    MLflow creates its tables one by one; killed in between, it would refuse the half-made database for ever. So it
    makes them in a draft, which becomes the database in one step.
    """
    with locked(database.with_suffix(".lock")):
        if database.exists():
            return
        draft = database.with_suffix(".draft")
        for leftover in database.parent.glob(f"{draft.name}*"):  # of a process that was killed here
            leftover.unlink()
        mlflow.MlflowClient(f"sqlite:///{draft}").search_experiments()
        draft.replace(database)


def _experiment(mlflow: Any, settings: Settings) -> str:
    found = mlflow.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    # A server knows where its artifacts belong; the store on this machine keeps them beside its database.
    local = settings.tracking_uri.startswith("sqlite:")
    return str(mlflow.create_experiment(EXPERIMENT, (settings.state / "mlartifacts").as_uri() if local else None))
