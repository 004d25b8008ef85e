"""The documents of a training: every picture and both cards, about this run, the same bytes each time."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from models import complete

from loan_default.model import LoanModel
from loan_default.schema import Schema
from loan_default.training import documents as module
from loan_default.training.card import Card, Rendered
from loan_default.training.data import Dataset
from loan_default.training.documents import Told, documents
from loan_default.training.fit import FitOptions, fit_decision
from loan_default.training.gates import DEFAULT_GATES, check_gates
from loan_default.training.measure import evaluate, measure
from loan_default.training.pictures import Subject
from loan_default.training.split import HOLDOUT_SHARE, holdout_mask

OPTIONS = FitOptions(folds=2, trees=20, smote_ratio=0)
PICTURES = {
    "confusion_matrix.png",
    "roc.png",
    "precision_recall.png",
    "reliability.png",
    "score_distribution.png",
    "threshold.png",
    "importance.png",
    "contributions.png",
    "slices.png",
}
CARDS = {"model_card.html", "model_card.md"}

Training = tuple[LoanModel, Told, Dataset, Dataset]


@pytest.fixture(scope="module", autouse=True)
def _quick_intervals() -> Iterator[None]:
    """Few resamples: the intervals are tested in test_evaluate.py."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("loan_default.training.evaluate._RESAMPLES", 30)
        yield


@pytest.fixture(scope="module")
def training(credit_dataset: Dataset, credit_schema: Schema) -> Training:
    """A small training of loans with audit columns."""
    mask = holdout_mask(credit_dataset, HOLDOUT_SHARE)
    rows, holdout = credit_dataset.rows(~mask), credit_dataset.rows(mask)
    fitted = fit_decision(rows, credit_schema, OPTIONS)
    measured = measure(rows, holdout, fitted, OPTIONS, lambda: None)
    evaluation = evaluate(measured, rows, fitted.schema, OPTIONS)
    gates = check_gates(DEFAULT_GATES, evaluation.out_of_fold, evaluation.holdout_intervals)
    told = Told(measured, evaluation, gates, ["'Home' is missing in 6 rows only"], ["2026-01-01: version 1 promoted"])
    about = complete(fitted).about.model_copy(
        update={"data": "credit_data.csv", "data_sha256": rows.sha256, "git_commit": "c0ffee", "options": {"trees": 20}}
    )
    return LoanModel.assemble(fitted.schema, fitted.booster, fitted.decision, about), told, rows, holdout


@pytest.fixture(scope="module")
def made(training: Training) -> dict[str, bytes]:
    """Its documents."""
    return documents(*training)


def test_there_is_every_picture_and_both_cards(made: dict[str, bytes]) -> None:
    assert set(made) == PICTURES | CARDS
    assert all(made[name].startswith(b"\x89PNG") for name in PICTURES)


def test_the_documents_are_the_same_each_time(training: Training, made: dict[str, bytes]) -> None:
    assert documents(*training) == made


def test_without_audit_columns_there_is_no_picture_of_groups(training: Training) -> None:
    model, told, rows, holdout = training
    plain = replace(told, evaluation=replace(told.evaluation, slices=[]))
    assert set(documents(model, plain, rows, holdout)) == (PICTURES | CARDS) - {"slices.png"}


@pytest.mark.parametrize("name", sorted(CARDS))
@pytest.mark.parametrize(
    "said",
    [
        "0123456789abcdef0123456789abcdef",
        "c0ffee",
        "credit_data.csv",
        "is missing in 6 rows only",
        "2026-01-01: version 1 promoted",
    ],
)
def test_each_card_tells_which_run_it_is_about(made: dict[str, bytes], name: str, said: str) -> None:
    assert said in made[name].decode("utf-8")


def test_the_card_is_given_what_was_measured(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Card] = []

    def spied(card: Card) -> Rendered:
        given.append(card)
        return Rendered(markdown="ä", html="ö")

    monkeypatch.setattr(module, "draw", lambda _: {"roc.png": b"png"})
    monkeypatch.setattr(module, "render", spied)
    model, told, rows, holdout = training
    made = documents(model, told, rows, holdout)
    assert made == {"roc.png": b"png", "model_card.html": "ö".encode(), "model_card.md": "ä".encode()}
    (card,) = given
    held_out = told.measured.holdout.target
    assert (card.rows, card.holdout_rows) == (len(rows) + len(held_out), len(held_out))
    assert (card.defaults, card.holdout_defaults) == (rows.target.sum() + held_out.sum(), held_out.sum())
    assert (card.data_sha256, card.seed, card.version) == (rows.sha256, 42, None)
    assert card.out_of_fold == told.evaluation.out_of_fold
    assert (card.gates, card.slices, card.pictures) == (told.gates, told.evaluation.slices, {"roc.png": b"png"})


def test_contributions_are_shown_for_rows_that_training_never_saw(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Subject] = []

    def spied(subject: Subject) -> dict[str, bytes]:
        drawn.append(subject)
        return {}

    monkeypatch.setattr(module, "draw", spied)
    model, told, rows, holdout = training
    documents(model, told, rows, holdout)
    monkeypatch.setattr(module, "_MOST_EXPLAINED", 50)
    documents(model, told, rows, holdout)
    every, some = (subject.contributed for subject in drawn)
    assert np.array_equal(every.values, holdout.applicants, equal_nan=True)
    assert (len(some.values), len(some.log_odds)) == (50, 50)
    assert {row.tobytes() for row in some.values} <= {row.tobytes() for row in every.values}
    assert list(drawn[0].importance.values()) == pytest.approx(np.abs(every.log_odds).mean(axis=0))
    assert every.categories["home"][0] in {"ignore", "other", "owner", "parents", "priv", "rent"}


def test_the_page_of_a_training_needs_nothing_from_anywhere(made: dict[str, bytes]) -> None:
    html = made["model_card.html"].decode("utf-8")
    loaded = re.findall(r"""(?:src|href|srcset|action|poster|data)\s*=\s*["']?([^"'\s>]{0,30})""", html)
    assert len(loaded) == len(PICTURES)
    assert {start[:22] for start in loaded} == {"data:image/png;base64,"}
    assert not re.search(r"https?:|@import|url\(|<script|<link|<iframe", html)


def test_a_model_that_does_not_name_its_file_has_a_card_all_the_same(training: Training) -> None:
    model, told, rows, holdout = training
    about = model.about.model_copy(update={"data": None})
    nameless = LoanModel.assemble(model.schema, model.booster, model.decision, about)
    assert about.run_id in documents(nameless, told, rows, holdout)["model_card.md"].decode("utf-8")
