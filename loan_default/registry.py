"""The model registry: versions in MLflow, promoted versions in the BentoML store.

The MLflow alias of a stage says which version is promoted; `promotion.py` moves it. Imported into the BentoML store, a
version has a tag of its own.
"""

import io
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from loan_default.errors import NoSuchVersion
from loan_default.locks import locked
from loan_default.model import LoanModel
from loan_default.served import LOAN_MODEL_FOLDER, REGISTERED_NAME, Served, bento_tag
from loan_default.settings import Settings, Stage
from loan_default.tracking import client, mlflow_here

_RUN_ID = re.compile(r"[0-9a-f]{32}")

# What a machine needs to load the registered model with MLflow alone (its versions are pinned when it is logged).
_RUNTIME_REQUIREMENTS = ("numpy", "pandas", "pydantic", "pydantic-settings", "pyyaml", "xgboost-cpu")


@dataclass(frozen=True)
class Registered:
    """A version in the MLflow registry."""

    version: str
    run_id: str


def tag_gates(settings: Settings, registered: Registered, passed: Mapping[Stage, bool]) -> None:
    """Write to a version whether it passed the gates of each stage."""
    for stage, verdict in passed.items():
        value = "passed" if verdict else "failed"
        client(settings).set_model_version_tag(REGISTERED_NAME, registered.version, f"gates.{stage}", value)


def passed_gates(settings: Settings, registered: Registered, stage: Stage) -> bool:
    """Whether a version passed the gates of a stage when it was trained."""
    version = client(settings).get_model_version(REGISTERED_NAME, registered.version)
    return bool(version.tags.get(f"gates.{stage}") == "passed")


def log_and_register(settings: Settings, model: LoanModel, documents: Mapping[str, bytes]) -> Registered:
    """Log the whole decision as an MLflow model in the open run and register it as a new version.

    Its model card goes with it, into the BentoML store and every Bento.
    """
    mlflow = mlflow_here(settings)
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
    mlflow = mlflow_here(settings)
    registry = mlflow.MlflowClient()
    try:
        if _RUN_ID.fullmatch(name):
            found = registry.search_model_versions(f"name = '{REGISTERED_NAME}' and run_id = '{name}'")[0]
        else:
            found = registry.get_model_version(REGISTERED_NAME, name)
    except (mlflow.exceptions.MlflowException, IndexError):
        raise NoSuchVersion(f"There is no version {name!r} of {REGISTERED_NAME} in the registry.") from None
    return Registered(str(found.version), str(found.run_id))


@contextmanager
def model_files(settings: Settings, registered: Registered) -> Iterator[Path]:
    """A registered version's files for `LoanModel.load`, in a folder of their own; the BentoML store stays as it is."""
    mlflow = mlflow_here(settings)
    with tempfile.TemporaryDirectory() as scratch:
        source = f"models:/{REGISTERED_NAME}/{registered.version}"
        yield Path(mlflow.artifacts.download_artifacts(source, dst_path=scratch)) / "artifacts" / LOAN_MODEL_FOLDER


def aliased(settings: Settings, stage: Stage) -> Registered | None:
    """The version that the alias of `stage` names: the truth about what is promoted."""
    mlflow = mlflow_here(settings)
    try:
        found = mlflow.MlflowClient().get_model_version_by_alias(REGISTERED_NAME, stage)
    except mlflow.exceptions.MlflowException:
        return None
    return Registered(str(found.version), str(found.run_id))


def set_alias(settings: Settings, stage: Stage, registered: Registered) -> None:
    """Make the alias of `stage` name this version, in one step."""
    client(settings).set_registered_model_alias(REGISTERED_NAME, stage, registered.version)


def import_into_bentoml(settings: Settings, registered: Registered) -> Served:
    """Import a registered version into the BentoML store, unless it is there already.

    A process killed in the middle of an import leaves a folder without its `model.yaml`; it is removed, never believed.
    """
    os.environ["BENTOML_HOME"] = str(settings.bentoml_store)  # BentoML reads it when it is imported
    import bentoml

    tag = bento_tag(registered.version, registered.run_id)
    mlflow_here(settings)
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
