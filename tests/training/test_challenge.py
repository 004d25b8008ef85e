"""Champion and challenger: which rows count, which margin holds, and when no comparison is possible."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from models import complete
from numpy.typing import NDArray

from loan_default.decision import Calibration
from loan_default.model import LoanModel
from loan_default.schema import Schema
from loan_default.schema.columns import CategoryColumn
from loan_default.training import challenge as module
from loan_default.training.challenge import MARGIN, Verdict, challenge, excess_loss
from loan_default.training.data import Dataset, read_dataset
from loan_default.training.fit import FitOptions, fit_decision
from loan_default.training.split import HOLDOUT_SHARE, holdout_cutoffs, holdout_mask, row_hashes

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data" / "Default_Fin.csv"
OPTIONS = FitOptions(folds=2, trees=60, smote_ratio=0)
ALL = (2**64 - 1, 2**64 - 1)


def with_cutoffs(model: LoanModel, cutoffs: tuple[int, int] | None) -> LoanModel:
    about = model.about.model_copy(update={"holdout_cutoffs": cutoffs})
    return LoanModel.assemble(model.schema, model.booster, model.decision, about)


def calibrated(model: LoanModel, **changed: float) -> LoanModel:
    """The same trees with another calibration."""
    calibration = Calibration.model_validate({**model.decision.calibration.model_dump(), **changed})
    decision = model.decision.model_copy(update={"calibration": calibration})
    return LoanModel.assemble(model.schema, model.booster, decision, model.about)


def with_schema(model: LoanModel, schema: Schema) -> LoanModel:
    return LoanModel.assemble(schema, model.booster, model.decision, model.about)


def trained(data: Dataset, schema: Schema, options: FitOptions = OPTIONS, share: float = HOLDOUT_SHARE) -> LoanModel:
    """A model as a training leaves it: hold-out by row hash, cut-offs recorded."""
    fitted = fit_decision(data.rows(~holdout_mask(data, share)), schema, options)
    return with_cutoffs(complete(fitted), holdout_cutoffs(data, share))


@pytest.fixture(scope="module")
def model(dataset: Dataset, schema: Schema) -> LoanModel:
    """A small model of the default data."""
    return trained(dataset, schema)


@pytest.fixture(scope="module")
def poor(model: LoanModel) -> LoanModel:
    """The same trees, but every PD is far too high."""
    return calibrated(model, intercept=model.decision.calibration.intercept + 2)


def compared_rows(verdict: Verdict) -> int:
    """How many rows a verdict says it is about."""
    return int(verdict.text.split(" rows neither")[0].split(" on ")[1].replace(",", ""))


def test_a_model_holds_against_itself_with_no_excess(model: LoanModel) -> None:
    verdict = challenge(model, model, DATA, seed=0)
    assert not verdict.refused
    assert "on 2,000 rows neither has seen: +0.0%, at 95% confidence at most +0.0% (allowed: +5%)" in verdict.text


def test_a_much_worse_challenger_is_refused(model: LoanModel, poor: LoanModel) -> None:
    verdict = challenge(poor, model, DATA, seed=0)
    assert verdict.refused
    assert "against the champion's" in verdict.text


def test_a_much_better_challenger_is_not(model: LoanModel, poor: LoanModel) -> None:
    verdict = challenge(model, poor, DATA, seed=0)
    assert not verdict.refused
    assert ": -" in verdict.text


def test_a_good_ranking_with_wrong_probabilities_is_refused(model: LoanModel) -> None:
    """Log loss sees what ROC AUC does not."""
    assert challenge(calibrated(model, slope=3.0), model, DATA, seed=0).refused


def test_another_training_seed_holds_against_the_first(model: LoanModel, dataset: Dataset, schema: Schema) -> None:
    other = trained(dataset, schema, OPTIONS.model_copy(update={"seed": 1}))
    verdict = challenge(other, model, DATA, seed=0)
    assert not verdict.refused, verdict.text


def test_the_verdict_is_the_same_for_the_same_seed(model: LoanModel, poor: LoanModel) -> None:
    assert challenge(poor, model, DATA, seed=3) == challenge(poor, model, DATA, seed=3)
    assert challenge(poor, model, DATA, seed=3) != challenge(poor, model, DATA, seed=4)


# Which rows count


def test_only_rows_unseen_by_both_are_compared(model: LoanModel, dataset: Dataset) -> None:
    hashes = row_hashes(dataset.applicants)
    low, high = (int(np.quantile(hashes.astype(float), share)) for share in (0.3, 0.6))
    for ours, theirs in (((low, high), (high, low)), ((high, low), (low, high))):
        both = hashes <= np.uint64(low)
        verdict = challenge(with_cutoffs(model, ours), with_cutoffs(model, theirs), DATA, seed=0)
        assert compared_rows(verdict) == both.sum()


def test_the_models_score_exactly_these_rows(
    model: LoanModel, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[NDArray[np.float64]] = []
    original = LoanModel.pd

    def spied(self: LoanModel, applicants: NDArray[np.float64]) -> NDArray[np.float64]:
        asked.append(applicants)
        return original(self, applicants)

    monkeypatch.setattr(LoanModel, "pd", spied)
    challenge(model, with_cutoffs(model, ALL), DATA, seed=0)
    held_out = dataset.applicants[holdout_mask(dataset, HOLDOUT_SHARE)]
    assert len(asked) == 2
    assert all(np.array_equal(applicants, held_out) for applicants in asked)


@pytest.mark.parametrize("swapped", [False, True])
def test_too_few_unseen_defaults_are_no_comparison(model: LoanModel, poor: LoanModel, swapped: bool) -> None:
    no_defaults = with_cutoffs(poor, (2**64 - 1, 0))
    pair = (model, no_defaults) if swapped else (no_defaults, model)
    assert challenge(*pair, DATA, seed=0) == Verdict(
        False, "not compared with the champion: only 0 defaults are unseen by both"
    )


@pytest.mark.parametrize(("defaults", "compared"), [(19, False), (20, True)])
def test_twenty_defaults_are_enough(model: LoanModel, dataset: Dataset, defaults: int, compared: bool) -> None:
    cutoff = int(np.sort(row_hashes(dataset.applicants[dataset.target == 1]))[defaults - 1])
    verdict = challenge(model, with_cutoffs(model, (2**64 - 1, cutoff)), DATA, seed=0)
    assert ("not compared" not in verdict.text) is compared
    assert not verdict.refused


def test_a_champion_of_half_the_data_is_compared_on_what_both_held_out(
    model: LoanModel, poor: LoanModel, dataset: Dataset, schema: Schema
) -> None:
    half = dataset.rows(np.arange(len(dataset)) % 2 == 0)
    champion = trained(half, schema)
    assert champion.about.holdout_cutoffs != model.about.holdout_cutoffs
    verdict = challenge(model, champion, DATA, seed=0)
    assert not verdict.refused
    assert 1_500 < compared_rows(verdict) <= 2_000
    assert challenge(poor, champion, DATA, seed=0).refused


@pytest.mark.parametrize("swapped", [False, True])
def test_a_model_from_before_hold_outs_were_recorded_is_no_comparison(
    model: LoanModel, poor: LoanModel, swapped: bool
) -> None:
    old = with_cutoffs(poor, None)
    verdict = challenge(*((model, old) if swapped else (old, model)), DATA, seed=0)
    assert verdict == Verdict(False, "not compared with the champion, which does not say what it was trained on")


# Other columns


def renamed(schema: Schema, header: str) -> Schema:
    columns = [schema.columns[0].model_copy(update={"header": header}), *schema.columns[1:]]
    return schema.model_copy(update={"columns": tuple(columns)})


def test_a_champion_whose_columns_the_file_lacks_is_no_comparison(model: LoanModel, poor: LoanModel) -> None:
    champion = with_schema(model, renamed(model.schema, "Has a job"))
    verdict = challenge(poor, champion, DATA, seed=0)
    assert verdict == Verdict(False, "not compared with the champion, whose columns the data do not have")


def test_a_champion_of_another_lender_is_no_comparison(poor: LoanModel, credit_model: LoanModel) -> None:
    assert "whose columns the data do not have" in challenge(poor, credit_model, DATA, seed=0).text


def test_a_champion_that_means_something_else_by_a_default_is_no_comparison(model: LoanModel, poor: LoanModel) -> None:
    target = model.schema.target.model_copy(update={"positive": 0, "negative": 1})
    champion = with_schema(model, model.schema.model_copy(update={"target": target}))
    assert "not compared" in challenge(poor, champion, DATA, seed=0).text


@pytest.fixture(scope="module")
def fewer(schema: Schema) -> Schema:
    """The default declaration without the salary."""
    columns = tuple(column for column in schema.columns if column.name != "annual_salary")
    return schema.model_copy(update={"columns": columns, "derived": ()})


def test_a_champion_with_other_columns_of_the_same_file_is_compared(
    model: LoanModel, poor: LoanModel, fewer: Schema
) -> None:
    """Each model hashes and scores the rows in columns of its own."""
    own = read_dataset(DATA, fewer)
    champion = trained(own, fewer, share=0.6)
    both = holdout_mask(own, 0.6) & holdout_mask(read_dataset(DATA, model.schema), HOLDOUT_SHARE)
    verdict = challenge(model, champion, DATA, seed=0)
    assert compared_rows(verdict) == both.sum()
    assert challenge(poor, champion, DATA, seed=0).refused


def test_a_champion_with_its_columns_in_another_order_is_compared(model: LoanModel, schema: Schema) -> None:
    turned = schema.model_copy(update={"columns": tuple(reversed(schema.columns))})
    own = read_dataset(DATA, turned)
    champion = trained(own, turned, share=0.6)
    both = holdout_mask(own, 0.6) & holdout_mask(read_dataset(DATA, model.schema), HOLDOUT_SHARE)
    assert compared_rows(challenge(model, champion, DATA, seed=0)) == both.sum()


def rare_category(loans: Path, schema: Schema, folder: Path) -> tuple[Path, Schema]:
    """The loans with a category more that only one applicant has, who is held out."""
    with loans.open(newline="") as file:
        rows = list(csv.DictReader(file))
    column = next(each for each in schema.columns if isinstance(each, CategoryColumn))
    more = column.model_copy(update={"categories": (*column.categories, "rarest")})
    declared = schema.model_copy(update={"columns": tuple(more if each is column else each for each in schema.columns)})
    path = folder / "loans.csv"
    for number in range(len(rows)):
        changed = [row | ({column.header: "rarest"} if i == number else {}) for i, row in enumerate(rows)]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(changed)
        if holdout_mask(read_dataset(path, declared), HOLDOUT_SHARE)[number]:
            return path, declared
    raise AssertionError("no row is held out")


def test_a_category_that_only_held_out_rows_have_does_not_stop_the_comparison(
    credit_csv: Path, credit_schema: Schema, tmp_path: Path
) -> None:
    path, declared = rare_category(credit_csv, credit_schema, tmp_path)
    data = read_dataset(path, declared)
    model = trained(data, declared)
    verdict = challenge(model, model, path, seed=0)
    assert compared_rows(verdict) == holdout_mask(data, HOLDOUT_SHARE).sum()


# The margin, by hand


def losses(payers: list[float], defaulters: list[float]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return np.array(payers + defaulters), np.array([0] * len(payers) + [1] * len(defaulters))


def test_the_excess_is_the_mean_difference_relative_to_the_champion() -> None:
    old, target = losses([1.0, 1.0], [2.0, 4.0])
    new, _ = losses([1.0, 1.5], [2.5, 4.0])
    excess, worst = excess_loss(new, old, target, seed=0)
    assert excess == pytest.approx(1 / 8)
    assert worst >= excess


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.04, 1.06, 2.0])
def test_losses_that_grow_by_the_same_share_of_the_mean_have_no_uncertainty(factor: float) -> None:
    old, target = losses([1.0] * 30, [1.0] * 30)
    assert excess_loss(old * factor, old, target, seed=0) == pytest.approx((factor - 1, factor - 1))


def test_the_bound_is_that_of_resampling_within_each_class() -> None:
    """All difference lies between the classes, so resampling within them finds none."""
    old, target = losses([1.0] * 90, [1.0] * 10)
    new, _ = losses([0.5] * 90, [3.0] * 10)
    assert excess_loss(new, old, target, seed=0) == pytest.approx((-0.25, -0.25))


def test_the_bound_is_one_sided_at_95_percent() -> None:
    """The mean of 400 differences with standard deviation 1 is normal with 0.05, whose 95 % point is 1.645 of it."""
    old, target = losses([1.0] * 400, [1.0] * 400)
    new = old + np.tile([1.0, -1.0], 400)
    excess, worst = excess_loss(new, old, target, seed=0)
    assert excess == pytest.approx(0, abs=1e-12)
    assert worst == pytest.approx(1.645 / math.sqrt(800), rel=0.06)


def test_the_order_of_magnitude_of_losses_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    old, target = generator.random(100) + 0.1, np.arange(100) % 2
    new = old + generator.normal(0, 0.1, 100)
    assert excess_loss(new * 1000, old * 1000, target, 5) == pytest.approx(excess_loss(new, old, target, 5))


def test_the_bound_depends_on_the_seed_alone() -> None:
    old, target = losses([0.1, 0.2, 0.3] * 10, [2.0, 1.0] * 10)
    new = old[::-1].copy()
    assert excess_loss(new, old, target, 1) == excess_loss(new, old, target, 1)
    assert excess_loss(new, old, target, 1) != excess_loss(new, old, target, 2)


@pytest.mark.parametrize(
    ("worst", "refused"), [(MARGIN, False), (math.nextafter(MARGIN, 1), True), (-0.5, False), (math.inf, True)]
)
def test_the_margin_itself_is_allowed(
    model: LoanModel, monkeypatch: pytest.MonkeyPatch, worst: float, refused: bool
) -> None:
    monkeypatch.setattr(module, "excess_loss", lambda *_: (0.0, worst))
    assert challenge(model, model, DATA, seed=0).refused is refused


# PDs of exactly 0 and 1, which `Calibration.pd` gives for hopeless margins


def test_a_challenger_that_is_certain_and_wrong_is_refused(model: LoanModel) -> None:
    with np.errstate(all="ignore"):
        assert challenge(calibrated(model, slope=1000.0), model, DATA, seed=0).refused


def test_the_excess_over_a_champion_that_is_certain_and_wrong_is_a_number(model: LoanModel) -> None:
    with np.errstate(all="ignore"):
        verdict = challenge(model, calibrated(model, slope=1000.0), DATA, seed=0)
    assert (verdict.refused, "nan" in verdict.text) == (False, False)
