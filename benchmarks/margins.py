"""What asking the trees costs: by XGBoost's `inplace_predict`, by its C API, and by cell where the model is small.

    python benchmarks/margins.py

Needs a promoted model (`make train`). Prints microseconds for each call and objects left to the garbage collector; see
docs/decisions/0014 and 0019. By cell there are PDs at once; XGBoost's margins have still to be calibrated.
"""

import gc
import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray

from loan_default.margins import raw_margins
from loan_default.model import LoanModel
from loan_default.served import pointed
from loan_default.settings import read_settings

ROWS = 200_000  # are asked for in all, and never more calls than
CALLS = 5_000

Way: TypeAlias = Callable[[NDArray[np.float32]], object]


def main() -> None:
    """Measure and print."""
    model = LoanModel.load(pointed(read_settings(), "production").model_folder)
    for rows in (1, 10, 32, 1000, 62_500):
        matrix = features(model, rows)
        for name, way in ways(model).items():
            micros, left = measured(way, matrix)
            typer.echo(f"{rows:6} rows, {name:16}{micros:10.1f} µs{left:8.1f} objects left")


def ways(model: LoanModel) -> dict[str, Way]:
    """How to ask."""
    booster = model.booster
    found: dict[str, Way] = {
        "inplace_predict": lambda rows: booster.inplace_predict(rows, predict_type="margin", validate_features=False),
        "C API": lambda rows: raw_margins(booster, rows),
    }
    return found if model.cells is None else {**found, "by cell": model.pd_of_features}


def features(model: LoanModel, rows: int) -> NDArray[np.float32]:
    """A feature matrix, spread over the cells of the trees."""
    if model.cells is None:
        return np.random.default_rng(0).random((rows, len(model.schema.feature_names)), dtype=np.float32)
    points = model.cells.points
    return points[np.random.default_rng(0).integers(0, len(points), rows)]


def measured(way: Way, matrix: NDArray[np.float32]) -> tuple[float, float]:
    """Microseconds, and objects that only the garbage collector removes, for each call."""
    calls = max(5, min(CALLS, ROWS // len(matrix)))
    gc.collect()
    gc.disable()
    started = time.perf_counter()
    for _ in range(calls):
        way(matrix)
    micros = (time.perf_counter() - started) / calls * 1e6
    left = gc.collect() / calls
    gc.enable()
    return micros, left


if __name__ == "__main__":
    typer.run(main)
