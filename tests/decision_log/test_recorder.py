"""Records: what the model decided, by name, with the reasons of declined applicants."""

import threading
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from decisions import Answers, decide, lines, logged

from loan_default.decision_log.record import decode_record
from loan_default.decision_log.recorder import Recorder
from loan_default.margins import raw_margins
from loan_default.model import LoanModel
from loan_default.reasons import contributions
from loan_default.schema import Schema
from loan_default.served import Served
from loan_default.training.data import Dataset


@pytest.fixture
def declined(loan_model: LoanModel, dataset: Dataset) -> list[list[float]]:
    """The columns of applicants that the model declines."""
    return dataset.applicants[loan_model.pd(dataset.applicants) >= loan_model.decision.threshold].tolist()  # type: ignore[no-any-return]


def test_a_record_says_what_was_decided_with_what_by_which_model(answers: Answers) -> None:
    decided = decide(answers, at=1_700_000_000.25, reference="loan 17")
    record = decode_record(lines([decided])[0].json)
    assert (record.id, record.request_id, record.key_id, record.face) == (
        decided.decision_id,
        "request-1",
        "key-1",
        "rest",
    )
    assert record.time == datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)
    assert record.reference == "loan 17"
    assert (record.probability, record.threshold) == (decided.pd, answers.model.decision.threshold)
    assert (record.prediction, record.default_risk, record.reasons) == (0, "Low", None)
    assert (record.model.version, record.model.tag) == ("7", "loan_default:7-01234567")
    assert record.model.run_id == answers.model.about.run_id
    assert list(record.inputs) == answers.model.schema.feature_names
    assert list(record.inputs.values()) == decided.features


def test_a_record_is_one_line_of_json(answers: Answers) -> None:
    (line,) = lines([decide(answers, reference='two\nlines "quoted"')])
    assert b"\n" not in line.json
    assert msgspec.json.decode(line.json)["time"].endswith("Z")


def test_declined_applicants_have_the_models_own_reasons(answers: Answers, declined: list[list[float]]) -> None:
    batch = [decide(answers), *(decide(answers, row) for row in declined[:5])]
    records = [decode_record(line.json) for line in lines(batch)]
    assert records[0].reasons is None
    for record, expected in zip(records[1:], answers.model.explain(np.array(declined[:5])), strict=True):
        assert record.prediction == 1
        assert record.reasons is not None
        assert [msgspec.structs.asdict(reason) for reason in record.reasons] == [r.model_dump() for r in expected]


def test_categories_and_missing_values_are_shown_as_a_person_reads_them(
    credit_model: LoanModel, credit_dataset: Dataset
) -> None:
    with_gap = credit_dataset.applicants[np.isnan(credit_dataset.applicants).any(axis=1)][0].tolist()
    inputs = decode_record(lines([decide(Answers(credit_model), with_gap)])[0].json).inputs
    assert None in inputs.values()
    assert any(isinstance(value, str) for value in inputs.values())


def test_decisions_of_two_models_in_one_batch_keep_their_own(answers: Answers, credit_model: LoanModel) -> None:
    other = Answers(credit_model, Served("loan_default:8-89abcdef", answers.served.folder))
    records = [decode_record(line.json) for line in lines([decide(answers), decide(other), decide(answers)])]
    assert [record.model.version for record in records] == ["7", "8", "7"]
    assert list(records[1].inputs) == credit_model.schema.feature_names


def test_nobody_escapes_the_log_by_odd_characters(answers: Answers) -> None:
    record = decode_record(lines([decide(answers, reference="\ud800 ž\0", request_id="\0")])[0].json)
    assert (record.reference, record.request_id) == ("? ž", "")


def test_what_cannot_be_recorded_takes_nobody_with_it(answers: Answers) -> None:
    batch = [decide(answers), decide(answers, at=float("nan")), decide(answers, pd=None), decide(answers)]
    with logged() as messages:
        found = Recorder().lines(batch)
    assert [line is None for line in found] == [False, True, True, False]
    assert len(messages) == 1
    assert f"2 decisions cannot be recorded, among them ('{batch[2].decision_id}', 'TypeError')" in messages[0]


def test_a_record_without_its_reasons_is_better_than_none(answers: Answers, declined: list[list[float]]) -> None:
    with_too_many_features = decide(answers, declined[0])
    with_too_many_features.features.append(1.0)
    with logged() as messages:
        found = Recorder().lines([decide(answers, declined[1]), with_too_many_features])
    assert found[0] is not None
    assert decode_record(found[0].json).reasons is None
    assert "reasons of 2 decisions" in messages[0]


@pytest.mark.slow
def test_one_booster_scores_and_explains_at_the_same_time(
    loan_model: LoanModel, schema: Schema, dataset: Dataset
) -> None:
    """XGBoost says that prediction is thread-safe for trees since 1.4; the writer's thread relies on it."""
    matrix = loan_model.features.matrix(dataset.applicants[:500])
    calibration = loan_model.decision.calibration
    margins = raw_margins(loan_model.booster, matrix)
    contributed = contributions(loan_model.booster, calibration, schema, matrix).values
    wrong: list[str] = []
    stop = threading.Event()

    def explain() -> None:
        while not stop.is_set():
            if not np.array_equal(contributions(loan_model.booster, calibration, schema, matrix).values, contributed):
                wrong.append("contributions")

    threads = [threading.Thread(target=explain) for _ in range(2)]
    for thread in threads:
        thread.start()
    same = [np.array_equal(raw_margins(loan_model.booster, matrix), margins) for _ in range(500)]
    stop.set()
    for thread in threads:
        thread.join()
    assert all(same)
    assert wrong == []
