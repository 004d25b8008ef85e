"""Compare training options out of fold on the training rows, the hold-out untouched; prints a Markdown table.

    python benchmarks/options.py

Each row is the whole procedure, calibration and threshold included, by nested 5-fold cross-validation, averaged over
three seeds, so that a lucky choice of folds decides nothing.
"""

import sys
from pathlib import Path

import numpy as np

from loan_default.cli.shared import DEFAULT_DATA
from loan_default.schema import DEFAULT_SCHEMA, Schema, load_schema
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.evaluate import Figures, out_of_fold, out_of_fold_baseline
from loan_default.training.fit import FitOptions
from loan_default.training.split import HOLDOUT_SHARE, holdout_mask

SEEDS = (1, 2, 3)
SHOWN = ("roc_auc", "pr_auc", "brier", "calibration_error", "recall", "f1", "accuracy")
VARIANTS: dict[str, dict[str, float]] = {
    "the defaults": {},
    "no SMOTE": {"smote_ratio": 0},
    "SMOTE 1 : 10": {"smote_ratio": 0.1},
    "SMOTE 1 : 1": {"smote_ratio": 1},
    "300 trees, learning rate 0.1": {"trees": 300, "learning_rate": 0.1},
    "depth 2, 100 trees": {"depth": 2, "trees": 100},
    "depth 3, 100 trees": {"depth": 3, "trees": 100},
    "depth 6, 100 trees": {"depth": 6, "trees": 100},
}


def without_directions(schema: Schema) -> Schema:
    """The same columns, but nothing said about their direction of risk."""
    content = schema.model_dump(mode="json", exclude_none=True)
    for item in (*content["columns"], *content["derived"]):
        item["risk"] = "none"
    return Schema.model_validate(content)


def average(data: Dataset, schema: Schema, options: dict[str, float]) -> Figures:
    """The figures of one variant, averaged over the seeds."""
    runs = [
        out_of_fold(data, schema, FitOptions.model_validate({**options, "seed": s}), _quiet).figures() for s in SEEDS
    ]
    return {name: float(np.mean([run[name] for run in runs])) for name in SHOWN}


def main(path: Path) -> None:
    """Print the table for the data at `path`."""
    schema = load_schema(DEFAULT_SCHEMA)
    data = read_dataset(path, schema)
    training = data.rows(~holdout_mask(data, HOLDOUT_SHARE))
    print("| options | " + " | ".join(SHOWN) + " |\n|---|" + "---|" * len(SHOWN))
    for name, options in VARIANTS.items():
        print(_row(name, average(training, schema, options)), flush=True)
    print(_row("no directions of risk", average(training, without_directions(schema), {})), flush=True)
    baselines = [out_of_fold_baseline(training, schema, FitOptions(seed=seed)).figures() for seed in SEEDS]
    print(_row("logistic regression", {name: float(np.mean([b[name] for b in baselines])) for name in SHOWN}))


def _row(name: str, figures: Figures) -> str:
    return f"| {name} | " + " | ".join(f"{figures[figure]:.4f}" for figure in SHOWN) + " |"


def _quiet() -> None:
    pass


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_DATA)
