"""The registered model on Spark: `examples/spark/score.py` in local mode answers as our own code does, to the last bit.

Spark takes an environment of more than 1 GB, so `make spark` makes it and runs these; elsewhere they are skipped.
"""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from installation import ROOT, environment

from loan_default.model import LoanModel
from loan_default.registry import Registered, log_and_register
from loan_default.served import REGISTERED_NAME
from loan_default.settings import Settings
from loan_default.tracking import training_run
from loan_default.training.data import Dataset

PYTHON = Path(os.environ.get("SPARK_PYTHON", ROOT / "state" / "spark.venv" / "bin" / "python"))
CARDS = {"model_card.html": b"<p>A model.</p>", "model_card.md": b"A model."}

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no environment for Spark; `make spark` makes it"),
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java 17 or later"),
    # Each the business of a library that is imported here alone.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


def registered(settings: Settings, model: LoanModel) -> Registered:
    """The model in a registry, as a training leaves it there."""
    with training_run(settings) as run_id:
        own = replace(model, about=model.about.model_copy(update={"run_id": run_id}))
        return log_and_register(settings, own, CARDS)


def as_table(model: LoanModel, applicants: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> pd.DataFrame:
    """Applicants as a data lake has them: numbers, words, yes or no, and nothing where a value is missing."""
    shown = {
        column.name: [None if np.isnan(value) else column.shown(float(value)) for value in values]
        for column, values in zip(model.schema.columns, applicants.T, strict=True)
    }
    return pd.DataFrame({"customer": np.arange(len(applicants)), **shown})


def scored(settings: Settings, version: Registered, table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """What the example makes of the table, in its order."""
    source, target = folder / "applicants.parquet", folder / "scored.parquet"
    table.to_parquet(source, row_group_size=500)
    variables = environment(settings.state) | {"MLFLOW_TRACKING_URI": settings.tracking_uri}
    del variables["STATE_DIR"]
    variables.pop("PYTHONPATH", None)  # nothing of ours but what travels with the model
    script, model = ROOT / "examples" / "spark" / "score.py", f"models:/{REGISTERED_NAME}/{version.version}"
    done = subprocess.run(
        [PYTHON, script, model, source, target],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"{len(table):,} rows" in done.stdout
    return pd.read_parquet(target).sort_values("customer").reset_index(drop=True)


def require_our_answers(model: LoanModel, answers: pd.DataFrame, data: Dataset) -> None:
    pds = model.pd(data.applicants)
    assert answers["probability"].to_numpy().tobytes() == pds.tobytes()
    assert answers["prediction"].tolist() == (pds >= model.decision.threshold).astype(int).tolist()
    assert answers["default_risk"].tolist() == [model.decision.band(each) for each in pds.tolist()]


def test_numbers_are_scored_to_the_last_bit_whatever_their_width(
    settings: Settings, loan_model: LoanModel, dataset: Dataset, tmp_path: Path
) -> None:
    table = as_table(loan_model, dataset.applicants).astype({"employed": "int8"})
    answers = scored(settings, registered(settings, loan_model), table, tmp_path)
    assert list(answers.columns) == [*table.columns, "probability", "prediction", "default_risk"]
    require_our_answers(loan_model, answers, dataset)


def test_words_and_missing_values_are_scored_to_the_last_bit(
    settings: Settings, credit_model: LoanModel, credit_dataset: Dataset, tmp_path: Path
) -> None:
    table = as_table(credit_model, credit_dataset.applicants)
    assert table.isna().any().any()
    answers = scored(settings, registered(settings, credit_model), table, tmp_path)
    require_our_answers(credit_model, answers, credit_dataset)
