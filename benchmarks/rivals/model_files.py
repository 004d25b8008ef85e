"""A stored model read with XGBoost, NumPy and JSON alone, so that each rival serves the same trees and calibration.

Only declarations whose columns are numbers and whose derived features are ratios; the default one is.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

_TYPES: dict[str, type[int] | type[float]] = {"integer": int, "number": float}
_LIMITS = {"minimum": "ge", "exclusive_minimum": "gt", "maximum": "le", "exclusive_maximum": "lt"}


@dataclass(frozen=True)
class ModelFiles:
    """What a rival needs of a model.

    Attributes:
        path: the booster's file.
        columns: the type of each column.
        limits: of each column, as pydantic and msgspec name them: `ge`, `gt`, `le`, `lt`.
        ratios: name, numerator and denominator of each derived feature.
        slope, intercept: PD = sigmoid(slope × margin + intercept).
    """

    path: Path
    booster: xgb.Booster
    columns: dict[str, type[int] | type[float]]
    limits: dict[str, dict[str, Any]]
    ratios: list[tuple[str, str, str]]
    slope: float
    intercept: float

    def calibrated(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """PDs, (n,), from XGBoost's raw margins, (n,)."""
        return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * margins + self.intercept))))

    def pds(self, applicants: NDArray[np.float64]) -> NDArray[np.float64]:
        """PDs, (n,), of applicants, (n, number of columns)."""
        index = {name: i for i, name in enumerate(self.columns)}
        ratios = [applicants[:, index[above]] / applicants[:, index[below]] for _, above, below in self.ratios]
        rows = np.column_stack([applicants, *ratios]).astype(np.float32)
        margins = self.booster.inplace_predict(rows, predict_type="margin", validate_features=False)
        return self.calibrated(margins.astype(np.float64))


def read(folder: Path) -> ModelFiles:
    """Read the model in `folder`; one thread, which is fastest for few rows."""
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    calibration = json.loads((folder / "decision.json").read_text(encoding="utf-8"))["calibration"]
    path = folder / "booster.ubj"
    booster = xgb.Booster(model_file=str(path))
    booster.set_param({"nthread": 1})
    return ModelFiles(
        path,
        booster,
        {column["name"]: _TYPES[column["type"]] for column in schema["columns"]},
        {column["name"]: _limits(column) for column in schema["columns"]},
        [(d["name"], d["ratio"]["numerator"], d["ratio"]["denominator"]) for d in schema["derived"]],
        calibration["slope"],
        calibration["intercept"],
    )


def _limits(column: dict[str, Any]) -> dict[str, Any]:
    of_type = _TYPES[column["type"]]
    return {short: of_type(column[long]) for long, short in _LIMITS.items() if long in column}
