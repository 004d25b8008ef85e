"""Trains a stored model again, from its own declaration and options, and says how the outcome differs."""

from pathlib import Path

from loan_default.errors import DataError
from loan_default.model import LoanModel
from loan_default.training.data import read_dataset
from loan_default.training.fit import FitOptions, Fitted, fit_decision
from loan_default.training.lineage import git_commit, libraries
from loan_default.training.split import HOLDOUT_SHARE, holdout_mask


def train_again(model: LoanModel, data_path: Path) -> Fitted:
    """Fit a stored model's decision anew, from its own declaration and options.

    Raises:
        DataError: the file is not the one that the model was trained on.
    """
    schema = model.schema.as_declared()  # what training wrote into it is learnt again
    data = read_dataset(data_path, schema)
    if data.sha256 != model.about.data_sha256:
        raise DataError(
            f"{data_path} is not the file that this model was trained on ({model.about.data or 'name not recorded'}, "
            f"sha256 {model.about.data_sha256})."
        )
    options = FitOptions.model_validate(model.about.options)
    return fit_decision(data.rows(~holdout_mask(data, HOLDOUT_SHARE)), schema, options)


def differences(model: LoanModel, again: Fitted) -> list[str]:
    """How a model that was trained again differs, and what may explain it; empty when it does not."""
    parts = {
        "the trees differ": model.booster.save_raw("ubj") == again.booster.save_raw("ubj"),
        "the decision differs": model.decision == again.decision,
    }
    found = [text for text, same in parts.items() if not same]
    if not found:
        return []
    now = {**libraries(), "git commit": git_commit() or "unknown"}
    then = {**model.about.libraries, "git commit": model.about.git_commit or "unknown"}
    return found + [f"{name} was {then[name]} and is {now.get(name)}" for name in then if then[name] != now.get(name)]
