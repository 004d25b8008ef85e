"""What every server scores: one model trained by `train.py`, and applicants drawn from the data it ships with."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks.environments import ROOT, RivalFailed
from loan_default.cli.shared import DEFAULT_DATA
from loan_default.errors import ModelUnavailable
from loan_default.model import LoanModel
from loan_default.schema import DEFAULT_SCHEMA
from loan_default.schema.applicant import Encoder
from loan_default.schema.columns import Value
from loan_default.served import pointed
from loan_default.settings import Settings
from loan_default.training.data import read_dataset

# One applicant as a caller sends it: values by column.
Applicant: TypeAlias = Mapping[str, Value]

_SEED = 7


@dataclass(frozen=True)
class Subject:
    """The model, where it lives, and who is scored.

    Attributes:
        state: the state folder that `train.py` left, whose production model this is.
        folder: that model's files, as `LoanModel.load` takes them.
        applicants: drawn from the data, all different.
        pds: the model's own answer for each of them, asked directly.
    """

    state: Path
    folder: Path
    applicants: Sequence[Applicant]
    pds: list[float]


def subject(cache: Path, count: int) -> Subject:
    """Train, unless this code and data were trained already, and draw `count` applicants."""
    state = cache.resolve() / f"model-{_checksum()}"
    settings = Settings(_env_file=None, state_dir=state, mlflow_tracking_uri=None, bentoml_home=None)
    try:
        folder = pointed(settings, "production").model_folder
    except ModelUnavailable:
        _train(state)
        folder = pointed(settings, "production").model_folder
    model = LoanModel.load(folder)
    applicants = np.unique(read_dataset(DEFAULT_DATA, model.schema).applicants, axis=0)
    drawn = np.random.default_rng(_SEED).choice(applicants, count, replace=False)
    shown = Encoder(model.schema).shown
    names = model.schema.column_names
    as_sent = [{name: row[name] for name in names} for row in map(shown, model.features.values(drawn).tolist())]
    return Subject(state, folder, as_sent, model.pd(drawn).tolist())


def environment(state: Path) -> dict[str, str]:
    """This environment without any setting of ours, pointed at the state folder."""
    ours = {name.upper() for name in Settings.model_fields} | {"BENTOML_CONFIG"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    commands = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return {
        **kept,
        "PATH": commands,
        "STATE_DIR": str(state),
        "BENTOML_HOME": str(state / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }


def _train(state: Path) -> None:
    print(f"Training the model that all servers score, into {state}.", file=sys.stderr)
    command = [sys.executable, "train.py"]
    done = subprocess.run(command, cwd=ROOT, env=environment(state), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RivalFailed(f"train.py failed:\n{done.stdout}{done.stderr}")


def _checksum() -> str:
    """Of everything that decides what the trained model is."""
    digest = hashlib.sha256()
    sources = sorted((ROOT / "loan_default").rglob("*.py"))
    trained_from = [path for path in sources if not {"api", "cli"} & set(path.parts)]
    for path in (*trained_from, DEFAULT_DATA, DEFAULT_SCHEMA):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
