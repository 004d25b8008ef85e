"""BentoML's own face in one process: lists, rows that answer for themselves, limits, and callers in this process."""

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest
from face import KEY, Face
from prometheus_client import REGISTRY

from loan_default.api import native
from loan_default.api.loaded import Prediction
from loan_default.api.native import MAX_LIST, Refusal, predict_in_process
from loan_default.decision_log import DecisionLog
from loan_default.errors import ModelUnavailable
from loan_default.model import LoanModel
from loan_default.served import Served
from loan_default.settings import Settings

APPLICANT: dict[str, Any] = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
JSON = {**KEY, "content-type": "application/json"}


@pytest.fixture
def face(settings: Settings, promoted: Served) -> Face:
    assert promoted.model_folder.is_dir()
    return Face(settings)


def predict(face: Face, body: object) -> httpx.Response:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return face.call("POST", "/predict", content=content, headers=JSON)


def applicants(count: int) -> list[dict[str, Any]]:
    return [{**APPLICANT, "bank_balance": 30.0 * i} for i in range(count)]


def test_a_list_of_any_length_is_answered_in_its_order_to_the_last_bit(face: Face, loan_model: LoanModel) -> None:
    face.online.limits = type(face.online.limits)(0)
    for count in (1, 2, 199, 200, 201, MAX_LIST):
        sent = applicants(count)
        answers = predict(face, {"applications": sent}).json()
        expected = loan_model.pd(np.array([list(one.values()) for one in sent], dtype=np.float64)).tolist()
        assert [answer["probability"] for answer in answers] == expected
        assert len({answer["decision_id"] for answer in answers}) == count


def test_a_bad_row_answers_for_itself_wherever_it_stands(face: Face) -> None:
    bad: list[Any] = [{**APPLICANT, "employed": 2}, {}, 1, None, [], {**APPLICANT, "extra": 1}]
    for at in range(3):
        for row in bad:
            rows = applicants(2)
            rows.insert(at, row)
            answers = predict(face, {"applications": rows}).json()
            assert ["error" in answer for answer in answers] == [i == at for i in range(3)]
            assert Refusal.model_validate(answers[at]).error == "invalid_applicant"
        face.online.limits = type(face.online.limits)(0)


def test_a_list_of_bad_rows_alone_asks_the_model_nothing(face: Face) -> None:
    before = REGISTRY.get_sample_value("loan_prediction_duration_seconds_count")
    assert [answer["error"] for answer in predict(face, {"applications": [{}, {}]}).json()] == ["invalid_applicant"] * 2
    assert REGISTRY.get_sample_value("loan_prediction_duration_seconds_count") == before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "JSON"),
        ("[]", "Expected `object`, got `array`"),
        ({}, "missing required field `applications`"),
        ({"applications": []}, "length >= 1"),
        ({"applications": [APPLICANT] * (MAX_LIST + 1)}, "length <= 1000"),
        ({"applications": APPLICANT}, "Expected `array`"),
        ({"applications": [APPLICANT], "more": 1}, "unknown field `more`"),
        (b'{"applications": [\xff]}', "JSON"),
        ('{"applications": ' + "[" * 100_000, "too deeply"),
        (f'{{"applications": [{json.dumps(APPLICANT)}], "applications": [{json.dumps(APPLICANT)}]}}', "more than once"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_list_is_400_in_bentomls_shape_and_says_what_is_wrong(face: Face, body: object, said: str) -> None:
    answer = predict(face, body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert said in answer.json()["error"]


def test_a_list_uses_as_much_of_the_limit_as_it_has_rows(settings: Settings, promoted: Served) -> None:
    assert promoted.model_folder.is_dir()
    face = Face(settings.model_copy(update={"rate_limit_per_minute": 10}))
    first = predict(face, {"applications": applicants(6)})
    assert (first.status_code, first.headers["ratelimit-remaining"]) == (200, "4")
    second = predict(face, {"applications": applicants(5)})
    assert second.status_code == 429
    assert int(second.headers["retry-after"]) > 0
    assert predict(face, {"applications": applicants(4)}).status_code == 200


def test_more_rows_at_once_than_a_worker_can_have_in_hand_are_refused(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "MOST_ROWS", 3)
    answer = predict(face, {"applications": applicants(4)})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert predict(face, {"applications": applicants(3)}).status_code == 200


def test_a_caller_in_this_process_gets_the_same_answers(face: Face) -> None:
    served = predict(face, {"applications": applicants(3)}).json()
    model = face.online.models.applicant_model
    rows = [model.model_validate(one) for one in applicants(3)]
    answers = asyncio.run(predict_in_process(face.online, rows))
    assert all(isinstance(answer, Prediction) for answer in answers)
    assert [answer.model_dump(exclude={"decision_id"}) for answer in answers] == [
        {name: value for name, value in answer.items() if name != "decision_id"} for answer in served
    ]


def test_without_a_model_or_a_log_it_says_so(face: Face) -> None:
    face.online.log = DecisionLog(None, required=False)
    [answer] = predict(face, {"applications": [APPLICANT]}).json()
    assert answer["decision_id"] is None
    face.online.models.loaded = None
    assert predict(face, {"applications": [APPLICANT]}).status_code == 503
    with pytest.raises(ModelUnavailable):
        asyncio.run(predict_in_process(face.online, []))
