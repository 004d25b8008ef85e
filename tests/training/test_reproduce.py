"""Training again: the same to the last bit, or words for what is not."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from models import complete

from loan_default.errors import DataError
from loan_default.model import LoanModel
from loan_default.schema import Schema
from loan_default.schema.columns import CategoryColumn
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.fit import FitOptions, Fitted, fit_decision
from loan_default.training.lineage import git_commit, libraries
from loan_default.training.reproduce import differences, train_again
from loan_default.training.split import HOLDOUT_SHARE, holdout_mask

DATA = Path(__file__).resolve().parents[2] / "data" / "Default_Fin.csv"
OPTIONS = FitOptions(folds=2, trees=40, smote_ratio=0.2, seed=7, subsample=0.8, policy="cost", cost_ratio=15)


def told(model: LoanModel, **about: Any) -> LoanModel:
    """The same model with another story."""
    return LoanModel.assemble(model.schema, model.booster, model.decision, model.about.model_copy(update=about))


def trained(path: Path, schema: Schema, options: FitOptions) -> LoanModel:
    """A model as a training leaves it."""
    data = read_dataset(path, schema)
    fitted = fit_decision(data.rows(~holdout_mask(data, HOLDOUT_SHARE)), schema, options)
    return told(
        complete(fitted),
        data=path.name,
        data_sha256=data.sha256,
        options=options.model_dump(),
        seed=options.seed,
        libraries=libraries(),
        git_commit=git_commit(),
    )


@pytest.fixture(scope="module")
def model(schema: Schema) -> LoanModel:
    """A small model of the default data, no option of which has its default."""
    return trained(DATA, schema, OPTIONS)


@pytest.fixture(scope="module")
def again(model: LoanModel) -> Fitted:
    """The same once more."""
    return train_again(model, DATA)


def test_the_same_data_and_options_give_the_same_model(model: LoanModel, again: Fitted) -> None:
    assert differences(model, again) == []


def test_a_model_read_from_its_folder_is_reproduced_too(model: LoanModel, again: Fitted, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    assert differences(LoanModel.load(tmp_path / "model"), again) == []


def test_another_seed_gives_another_model_and_says_so(model: LoanModel) -> None:
    other = told(model, options={**model.about.options, "seed": 8})
    assert differences(model, train_again(other, DATA))[:2] == ["the trees differ", "the decision differs"]


def test_another_threshold_is_a_difference_in_the_decision_alone(model: LoanModel, again: Fitted) -> None:
    decision = again.decision.model_copy(update={"threshold": 0.5})
    assert differences(model, replace(again, decision=decision))[0] == "the decision differs"


def test_other_trees_alone_are_a_difference(model: LoanModel, again: Fitted, fitted: Fitted) -> None:
    found = differences(model, replace(again, booster=fitted.booster))
    assert found == ["the trees differ"]


def test_a_changed_library_may_explain_a_difference(model: LoanModel, again: Fitted, fitted: Fitted) -> None:
    old = told(model, libraries={**libraries(), "xgboost-cpu": "0.9", "gone": "1.0"})
    assert differences(old, replace(again, booster=fitted.booster)) == [
        "the trees differ",
        f"xgboost-cpu was 0.9 and is {libraries()['xgboost-cpu']}",
        "gone was 1.0 and is None",
    ]


def test_another_commit_may_explain_a_difference(model: LoanModel, again: Fitted, fitted: Fitted) -> None:
    found = differences(told(model, git_commit="beef"), replace(again, booster=fitted.booster))
    assert found[1:] == [f"git commit was beef and is {git_commit() or 'unknown'}"]


def test_a_changed_library_that_changes_nothing_is_not_told(model: LoanModel, again: Fitted) -> None:
    assert differences(told(model, libraries={"numpy": "0.1"}, git_commit="beef"), again) == []


def test_another_file_is_refused_by_name_and_checksum(model: LoanModel, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text(DATA.read_text() + "10001,1,1,1,0\n")
    with pytest.raises(DataError, match=rf"other\.csv is not the file .*\(Default_Fin\.csv, sha256 {'[0-9a-f]' * 64}"):
        train_again(model, path)


def test_the_same_file_under_another_name_is_the_same_file(model: LoanModel, tmp_path: Path) -> None:
    path = tmp_path / "copy.csv"
    path.write_bytes(DATA.read_bytes())
    assert differences(model, train_again(model, path)) == []


def test_a_model_that_does_not_name_its_file_says_so(model: LoanModel, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text(DATA.read_text() + "10001,1,1,1,0\n")
    with pytest.raises(DataError, match="name not recorded"):
        train_again(told(model, data=None), path)


def test_a_file_that_is_not_there_is_refused(model: LoanModel, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        train_again(model, tmp_path / "nowhere.csv")


def test_categories_that_only_held_out_rows_have_are_no_obstacle(
    credit_csv: Path, credit_schema: Schema, tmp_path: Path
) -> None:
    """Training wrote into the declaration that it never saw them; training again must read them all the same."""
    index, column = next((i, c) for i, c in enumerate(credit_schema.columns) if isinstance(c, CategoryColumn))
    more = column.model_copy(update={"categories": (*column.categories, "rarest")})
    columns = tuple(more if each is column else each for each in credit_schema.columns)
    declared = credit_schema.model_copy(update={"columns": columns})
    with credit_csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[held_out_with(read_dataset(credit_csv, declared), index, more.codes["rarest"])][column.header] = "rarest"
    path = tmp_path / "loans.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    rare = trained(path, declared, FitOptions(folds=2, trees=20, smote_ratio=0))
    learnt = rare.schema.columns[index]
    assert isinstance(learnt, CategoryColumn)
    assert "rarest" in learnt.never_seen
    assert differences(rare, train_again(rare, path)) == []


def held_out_with(data: Dataset, column: int, value: float) -> int:
    """The first row that is held out once it has this value."""
    for row in range(len(data)):
        applicants = data.applicants.copy()
        applicants[row, column] = value
        if holdout_mask(Dataset(applicants, data.target, ""), HOLDOUT_SHARE)[row]:
            return row
    raise AssertionError("no row is held out")
