"""The model registry: runs and versions in MLflow, promoted versions in the BentoML store.

The MLflow alias of a stage says which version is promoted; `promotion.py` moves it. Imported into the BentoML store, a
version has a tag of its own.
"""

import fcntl
import io
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from loan_default.errors import NoSuchVersion
from loan_default.model import About, LoanModel
from loan_default.served import LOAN_MODEL_FOLDER, REGISTERED_NAME, Served, bento_tag
from loan_default.settings import Settings, Stage

EXPERIMENT = "loan-default-prediction"
_RUN_ID = re.compile(r"[0-9a-f]{32}")

# What a machine needs to load the registered model with MLflow alone (its versions are pinned when it is logged).
_RUNTIME_REQUIREMENTS = ("numpy", "pandas", "pydantic", "pydantic-settings", "pyyaml", "xgboost-cpu")


@dataclass(frozen=True)
class Registered:
    """A version in the MLflow registry."""

    version: str
    run_id: str


@contextmanager
def training_run(settings: Settings) -> Iterator[str]:
    """An open MLflow run in our experiment; yields its id. A training that fails leaves a run marked as failed."""
    mlflow = _mlflow(settings)
    with mlflow.start_run(experiment_id=_experiment(mlflow, settings)) as run:
        yield run.info.run_id


def log_figures(settings: Settings, parameters: Mapping[str, object], figures: Mapping[str, float]) -> None:
    """Write parameters and figures to the open run."""
    mlflow = _mlflow(settings)
    mlflow.log_params(dict(parameters))
    mlflow.log_metrics(dict(figures))


def log_slices(settings: Settings, slices: Sequence[Mapping[str, object]]) -> None:
    """Write the figures of groups to the open run, as `slices.json`."""
    if slices:
        _mlflow(settings).log_dict({"slices": list(slices)}, "slices.json")


def log_gates(settings: Settings, gates: Sequence[Mapping[str, object]]) -> None:
    """Write what was asked of the figures, and the verdicts, to the open run, as `gates.json`."""
    _mlflow(settings).log_dict({"gates": list(gates)}, "gates.json")


def log_trial(
    settings: Settings, name: str, options: Mapping[str, object], figures: Mapping[str, float], failure: str | None
) -> None:
    """Write one trial of a search as a child of the open run; one without figures has failed, and says why."""
    mlflow = _mlflow(settings)
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
    _mlflow(settings).set_tags(tags)


def tag_gates(settings: Settings, registered: Registered, passed: Mapping[Stage, bool]) -> None:
    """Write to a version whether it passed the gates of each stage."""
    for stage, verdict in passed.items():
        value = "passed" if verdict else "failed"
        client(settings).set_model_version_tag(REGISTERED_NAME, registered.version, f"gates.{stage}", value)


def passed_gates(settings: Settings, registered: Registered, stage: Stage) -> bool:
    """Whether a version passed the gates of a stage when it was trained."""
    version = client(settings).get_model_version(REGISTERED_NAME, registered.version)
    return bool(version.tags.get(f"gates.{stage}") == "passed")


def log_documents(settings: Settings, documents: Mapping[str, bytes]) -> None:
    """Write pictures and the model card to the open run, under `documents`."""
    mlflow = _mlflow(settings)
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in documents.items():
            (Path(scratch) / name).write_bytes(content)
        mlflow.log_artifacts(scratch, "documents")


def log_and_register(settings: Settings, model: LoanModel, documents: Mapping[str, bytes]) -> Registered:
    """Log the whole decision as an MLflow model in the open run and register it as a new version.

    Its model card goes with it, into the BentoML store and every Bento.
    """
    mlflow = _mlflow(settings)
    package = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / LOAN_MODEL_FOLDER
        model.save(folder)
        for name in ("model_card.html", "model_card.md"):
            (folder / name).write_bytes(documents[name])
        # MLflow says on standard error what our own report says; what goes wrong it raises.
        with redirect_stderr(io.StringIO()):
            info = mlflow.pyfunc.log_model(
                name=LOAN_MODEL_FOLDER,
                python_model=str(package / "mlflow_model.py"),
                artifacts={LOAN_MODEL_FOLDER: str(folder)},
                code_paths=[str(package)],
                signature=_signature(model),
                input_example=_example(model),
                pip_requirements=[f"{name}=={installed_version(name)}" for name in _RUNTIME_REQUIREMENTS],
                registered_model_name=REGISTERED_NAME,
            )
    return Registered(str(info.registered_model_version), model.about.run_id)


def registered_version(settings: Settings, name: str) -> Registered:
    """A version of the registry by its number, or by the MLflow run it came from.

    Raises:
        NoSuchVersion: there is none.
    """
    mlflow = _mlflow(settings)
    registry = mlflow.MlflowClient()
    try:
        if _RUN_ID.fullmatch(name):
            found = registry.search_model_versions(f"name = '{REGISTERED_NAME}' and run_id = '{name}'")[0]
        else:
            found = registry.get_model_version(REGISTERED_NAME, name)
    except (mlflow.exceptions.MlflowException, IndexError):
        raise NoSuchVersion(f"There is no version {name!r} of {REGISTERED_NAME} in the registry.") from None
    return Registered(str(found.version), str(found.run_id))


def aliased(settings: Settings, stage: Stage) -> Registered | None:
    """The version that the alias of `stage` names: the truth about what is promoted."""
    mlflow = _mlflow(settings)
    try:
        found = mlflow.MlflowClient().get_model_version_by_alias(REGISTERED_NAME, stage)
    except mlflow.exceptions.MlflowException:
        return None
    return Registered(str(found.version), str(found.run_id))


def set_alias(settings: Settings, stage: Stage, registered: Registered) -> None:
    """Make the alias of `stage` name this version, in one step."""
    client(settings).set_registered_model_alias(REGISTERED_NAME, stage, registered.version)


def client(settings: Settings) -> Any:
    """MLflow's client of our store."""
    return _mlflow(settings).MlflowClient()


def import_into_bentoml(settings: Settings, registered: Registered) -> Served:
    """Import a registered version into the BentoML store, unless it is there already.

    A process killed in the middle of an import leaves a folder without its `model.yaml`; it is removed, never believed.
    """
    os.environ["BENTOML_HOME"] = str(settings.bentoml_store)  # BentoML reads it when it is imported
    import bentoml

    tag = bento_tag(registered.version, registered.run_id)
    _mlflow(settings)
    with locked(settings.bentoml_store / ".import.lock"):
        try:
            return Served(tag, Path(bentoml.models.get(tag).path))
        except bentoml.exceptions.NotFound:
            pass
        except Exception:  # noqa: BLE001  # whatever a half-written folder makes BentoML raise
            bentoml.models.delete(tag)
        import bentoml.mlflow  # type: ignore[import-not-found]  # BentoML makes this module when it is asked for

        bentoml.mlflow.import_model(
            tag,
            f"models:/{REGISTERED_NAME}/{registered.version}",
            labels={"registered_model": REGISTERED_NAME},
            metadata={"version": registered.version, "run_id": registered.run_id},
        )
        return Served(tag, Path(bentoml.models.get(tag).path))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock; the kernel drops it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _mlflow(settings: Settings) -> Any:
    """MLflow, pointed at our store. Imported here alone and late: it takes seconds, and serving does without it."""
    settings.state.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
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


def _example(model: LoanModel) -> Any:
    import pandas as pd

    return pd.DataFrame([model.schema.example])


def _signature(model: LoanModel) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec
    from mlflow.types import Schema as Columns

    # pandas has integers and booleans that may be missing only as numbers and objects, so MLflow is told the former.
    types = {"integer": "long", "number": "double", "boolean": "boolean", "category": "string"}
    inputs = [
        ColSpec(
            "double" if c.may_be_missing and c.type in {"integer", "boolean"} else types[c.type],
            c.name,
            required=not c.may_be_missing,
        )
        for c in model.schema.columns
    ]
    outputs = [ColSpec("double", "probability"), ColSpec("long", "prediction"), ColSpec("string", "default_risk")]
    return ModelSignature(inputs=Columns(inputs), outputs=Columns(outputs))
