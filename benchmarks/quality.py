"""Compare our model with rivals, out of fold on the same rows and folds; prints a Markdown table.

    python benchmarks/quality.py
    python benchmarks/quality.py --data examples/credit_data/credit_data.csv

Each row is a whole procedure by nested 5-fold cross-validation on the training rows, the hold-out untouched, averaged
over three seeds. All get the same features, the derived ones included. In each outer fold a rival's threshold follows
from its own out-of-fold PDs inside that fold, by the policy that chooses ours.

- **logistic regression**: the baseline that each training is compared with.
- **OptBinning scorecard**: `rivals/optbinning_scorecard.py`, with bins of at least 5 % of the rows, OptBinning's
  default, and of 1 %, because all defaults of the default data together are fewer than 5 %. It runs in an environment
  of its own: its pandas is not ours. The environment is made on first use; that needs PyPI, or a mirror that uv knows
  of (`UV_DEFAULT_INDEX`). `--offline` leaves this rival out.
- **HistGradientBoosting, isotonic**: scikit-learn's, in `CalibratedClassifierCV`, with default settings.
- **the old system**: SMOTE 1 : 1, then XGBoost of depth 6 with its other settings as they come, not calibrated.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from benchmarks.environments import CACHE, RIVALS, RivalFailed, environment, run
from benchmarks.rivals.exchange import TEST, TRAIN, Task, load_pds
from loan_default.cli.shared import DEFAULT_DATA, SchemaOption, or_exit, schema_for
from loan_default.features import Features
from loan_default.schema import Schema, load_schema
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.evaluate import Figures, Predictions, out_of_fold, out_of_fold_baseline
from loan_default.training.fit import FitOptions, as_learnt, folds
from loan_default.training.oversampling import oversample
from loan_default.training.split import HOLDOUT_SHARE, holdout_mask

SEEDS = (1, 2, 3)
SHOWN = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "mean_pd_to_base_rate": "mean PD / base rate",
    "recall": "recall",
    "f1": "F1",
    "accuracy": "accuracy",
}
OPTBINNING = RIVALS / "optbinning.txt"

# Learns from some rows and returns the PDs, (m,), of other applicants, (m, number of columns).
FitPredict: TypeAlias = Callable[[Dataset, NDArray[np.float64], Schema, FitOptions], NDArray[np.float64]]
# One procedure: its predictions for every row, out of fold.
Procedure: TypeAlias = Callable[[Dataset, Schema, FitOptions], Predictions]


def compare(
    data: Annotated[Path, typer.Option(help="The loans, CSV.")] = DEFAULT_DATA,
    schema: SchemaOption = None,
    cache: Annotated[Path, typer.Option(help="Where a rival's environment is kept.")] = CACHE,
    offline: Annotated[bool, typer.Option("--offline", help="Only what needs no environment of its own.")] = False,
) -> None:
    """Print how good our model and its rivals are, as a Markdown table."""
    or_exit(lambda: _compare(data, schema or schema_for(data), None if offline else cache))


def _compare(path: Path, schema_path: Path, cache: Path | None) -> None:
    schema = load_schema(schema_path)
    data = read_dataset(path, schema)
    training = data.rows(~holdout_mask(data, HOLDOUT_SHARE))
    chosen = procedures(None if cache is None else environment(cache, OPTBINNING))
    print(
        f"{path.name}: {len(training):,} training rows, {training.target.mean():.1%} defaults. Seeds: {SEEDS}. "
        f"Threshold: {FitOptions().decision_policy()}.\n"
    )
    for line in lines(chosen, training, schema):
        print(line, flush=True)


def procedures(optbinning_python: Path | None) -> dict[str, Procedure]:
    """Everything that is compared, by the name it has in the table."""
    compared: dict[str, Procedure] = {
        "our model": lambda data, schema, options: out_of_fold(data, schema, options, _quiet),
        "logistic regression": out_of_fold_baseline,
    }
    if optbinning_python is not None:
        command = [str(optbinning_python), "-m", "benchmarks.rivals.optbinning_scorecard"]
        compared["OptBinning scorecard"] = elsewhere([*command, "0.05"])
        compared["OptBinning scorecard, bins from 1 %"] = elsewhere([*command, "0.01"])
    compared["HistGradientBoosting, isotonic"] = here(hist_gradient_boosting)
    compared["the old system"] = here(old_system)
    return compared


def lines(compared: dict[str, Procedure], data: Dataset, schema: Schema) -> Iterator[str]:
    """The lines of the table, each as soon as it is known."""
    yield f"| model | {' | '.join(SHOWN.values())} |"
    yield "|---|" + "---|" * len(SHOWN)
    for name, procedure in compared.items():
        runs = [procedure(data, schema, FitOptions(seed=seed)).figures() for seed in SEEDS]
        yield row(name, {figure: float(np.mean([run[figure] for run in runs])) for figure in SHOWN})


def row(name: str, figures: Figures) -> str:
    """One line of the table."""
    return f"| {name} | {' | '.join(f'{figures[figure]:.4f}' for figure in SHOWN)} |"


def old_system(
    data: Dataset, applicants: NDArray[np.float64], schema: Schema, options: FitOptions
) -> NDArray[np.float64]:
    """As many synthetic defaults as make both classes equal, then deep trees, and their scores taken for PDs."""
    learnt = as_learnt(schema, data.applicants)
    balanced, target = oversample(data.applicants, data.target, schema=learnt, ratio=1.0, seed=options.seed)
    model = XGBClassifier(
        max_depth=6,
        feature_types=schema.feature_types,
        enable_categorical=True,
        n_jobs=1,
        random_state=options.seed,
    )
    model.fit(Features(learnt).matrix(balanced), target)
    return np.asarray(model.predict_proba(Features(learnt).matrix(applicants))[:, 1], dtype=np.float64)


def hist_gradient_boosting(
    data: Dataset, applicants: NDArray[np.float64], schema: Schema, options: FitOptions
) -> NDArray[np.float64]:
    """scikit-learn's gradient boosting, calibrated by isotonic regression on five folds."""
    features = Features(schema)
    model = CalibratedClassifierCV(
        HistGradientBoostingClassifier(categorical_features=categorical(schema), random_state=options.seed),
        method="isotonic",
        cv=5,
    )
    # On a busy machine its threads wait for each other far longer than one takes for so few rows.
    with threadpool_limits(1):
        model.fit(features.values(data.applicants), data.target)
        return np.asarray(model.predict_proba(features.values(applicants))[:, 1])


def here(fit_predict: FitPredict) -> Procedure:
    """The procedure around a rival that runs in this environment."""

    def run(data: Dataset, schema: Schema, options: FitOptions) -> Predictions:
        roles = nested_roles(data, options)
        pds = np.full(roles.shape, np.nan)
        for of_model, role in zip(pds, roles, strict=True):
            test = role == TEST
            of_model[test] = fit_predict(data.rows(role == TRAIN), data.applicants[test], schema, options)
        return decide(pds, roles, data.target, options)

    return run


def elsewhere(command: list[str]) -> Procedure:
    """The procedure around a rival in another environment: a command that is given the task's file and its own."""

    def run(data: Dataset, schema: Schema, options: FitOptions) -> Predictions:
        features = Features(schema).values(data.applicants)
        roles = nested_roles(data, options)
        task = Task(tuple(schema.feature_names), categorical(schema), features, data.target, roles)
        return decide(ask(command, task), roles, data.target, options)

    return run


def ask(command: list[str], task: Task) -> NDArray[np.float64]:
    """Run a rival's command and return its PDs, (models, n).

    Raises:
        RivalFailed: it ended with an error, or with something that is no answer.
    """
    with tempfile.TemporaryDirectory(prefix="loan-default-rival-") as folder:
        asked, answered = Path(folder, "task.npz"), Path(folder, "pds.npz")
        task.save(asked)
        run([*command, str(asked), str(answered)], "The rival failed")
        try:
            return load_pds(answered, task)
        except (OSError, KeyError, ValueError) as error:
            raise RivalFailed(f"The rival's answer cannot be used: {error}.") from None


def nested_roles(data: Dataset, options: FitOptions) -> NDArray[np.int8]:
    """What each row is to each model, (models, n): in each outer fold the models of its inner folds, then its own."""
    roles = []
    for train, test in folds(data, options):
        inner = [(train[a], train[b]) for a, b in folds(data.rows(train), options)]
        for learn, predict in (*inner, (train, test)):
            role = np.zeros(len(data), dtype=np.int8)
            role[learn], role[predict] = TRAIN, TEST
            roles.append(role)
    return np.array(roles)


def decide(
    pds: NDArray[np.float64], roles: NDArray[np.int8], target: NDArray[np.int64], options: FitOptions
) -> Predictions:
    """Out-of-fold PDs and decisions from the PDs of the models of `nested_roles`, both (models, n)."""
    pd, declined = np.empty(len(target)), np.empty(len(target), dtype=np.bool_)
    of_fold = options.folds + 1
    for last in range(options.folds, len(roles), of_fold):
        train, test = roles[last] == TRAIN, roles[last] == TEST
        inner = slice(last - options.folds, last)
        # A training row is tested by exactly one of the inner models.
        inner_pd = np.where(roles[inner] == TEST, pds[inner], 0.0).sum(axis=0)
        threshold = options.decision_policy().threshold(inner_pd[train], target[train])
        pd[test] = pds[last, test]
        declined[test] = pd[test] >= threshold
    return Predictions(pd, declined, target)


def categorical(schema: Schema) -> NDArray[np.bool_]:
    """Which features are categories, (number of features,)."""
    return np.array([kind == "c" for kind in schema.feature_types])


def _quiet() -> None:
    pass


if __name__ == "__main__":
    typer.run(compare)
