"""What the margins of a few rows cost: XGBoost's `inplace_predict` beside its C API (docs/decisions/0014).

    python benchmarks/margins.py

Needs a promoted model (`make train`). Prints microseconds for each call and objects left to the garbage collector.
"""

import gc
import time
from collections.abc import Callable

import numpy as np
import typer
import xgboost as xgb
from numpy.typing import NDArray

from loan_default.margins import raw_margins
from loan_default.model import LoanModel
from loan_default.served import pointed
from loan_default.settings import read_settings

CALLS = 5_000


def main() -> None:
    """Measure and print."""
    model = LoanModel.load(pointed(read_settings(), "production").model_folder)
    ways = {"inplace_predict": inplace, "C API": raw_margins}
    for rows in (1, 10, 32):
        matrix = np.random.default_rng(0).random((rows, len(model.schema.feature_names)), dtype=np.float32)
        for name, way in ways.items():
            micros, left = measured(way, model.booster, matrix)
            typer.echo(f"{rows:3} rows, {name:16}{micros:8.1f} µs{left:8.1f} objects left")


def inplace(booster: xgb.Booster, matrix: NDArray[np.float32]) -> object:
    """The public way."""
    return booster.inplace_predict(matrix, predict_type="margin", validate_features=False)


def measured(
    way: Callable[[xgb.Booster, NDArray[np.float32]], object], booster: xgb.Booster, matrix: NDArray[np.float32]
) -> tuple[float, float]:
    """Microseconds, and objects that only the garbage collector removes, for each call."""
    gc.collect()
    gc.disable()
    started = time.perf_counter()
    for _ in range(CALLS):
        way(booster, matrix)
    micros = (time.perf_counter() - started) / CALLS * 1e6
    left = gc.collect() / CALLS
    gc.enable()
    return micros, left


if __name__ == "__main__":
    typer.run(main)
