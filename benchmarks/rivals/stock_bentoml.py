"""Rival: BentoML as its documentation shows it. A batchable API on a list of models, every setting as it comes.

MODEL_FOLDER=… bentoml serve benchmarks.rivals.stock_bentoml:Stock
"""

import os
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
from pydantic import ConfigDict, Field, create_model

from benchmarks.rivals.model_files import read

_MODEL = read(Path(os.environ["MODEL_FOLDER"]))
_FIELDS: Any = {name: (of_type, Field(**_MODEL.limits[name])) for name, of_type in _MODEL.columns.items()}
Applicant: Any = create_model("Applicant", __config__=ConfigDict(extra="forbid"), **_FIELDS)


@bentoml.service
class Stock:
    """PDs of applicants."""

    @bentoml.api(batchable=True)  # type: ignore[untyped-decorator]
    def predict(self, applicants: list[Applicant]) -> list[float]:
        """Score a batch."""
        rows = np.array([tuple(dict(applicant).values()) for applicant in applicants], dtype=np.float64)
        pds: list[float] = _MODEL.pds(rows).tolist()
        return pds
