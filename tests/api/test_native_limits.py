"""BentoML's face in one process: what a list may cost whoever sends it, and the others."""

import json
from typing import Any

import pytest
from face import KEY, Face

from loan_default.api import native
from loan_default.schema.one_applicant import MAX_APPLICANT_BYTES
from loan_default.served import Served
from loan_default.settings import Settings

GOOD = '{"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}'
SENT = {**KEY, "content-type": "application/json"}


@pytest.fixture
def face(settings: Settings, promoted: Served) -> Face:
    assert promoted.folder.is_dir()
    return Face(settings.model_copy(update={"rate_limit_per_minute": 0}))


def answers(face: Face, *rows: str) -> list[dict[str, Any]]:
    body = f'{{"applications": [{", ".join(rows)}]}}'
    answer = face.call("POST", "/predict", content=body, headers=SENT)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()
    return found


def test_many_unknown_fields_make_a_short_refusal(face: Face) -> None:
    row = json.dumps({f"x{number}": 0 for number in range(500)})
    refused, scored = answers(face, row, GOOD)
    assert refused["message"].endswith("this one has 503 problems.")  # three are missing
    assert len(json.dumps(refused)) < 300
    assert scored["prediction"] == 0


def test_a_row_is_no_longer_than_an_applicant_alone(face: Face) -> None:
    scored, refused = answers(face, GOOD, GOOD[:-1] + " " * MAX_APPLICANT_BYTES + "}")
    assert scored["prediction"] == 0
    assert refused["message"] == "An applicant must be at most 65,536 bytes of JSON."


def test_the_longest_list_is_answered_in_order(face: Face) -> None:
    found = answers(face, *[GOOD, "{}"] * 500)
    assert [set(answer) >= {"probability"} for answer in found] == [True, False] * 500


def test_bodies_of_all_callers_together_are_bounded(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MOST_BYTES", 500)
    assert answers(face, *[GOOD] * 5)
    for _ in range(2):  # what was refused is given back
        answer = face.call("POST", "/predict", content=f'{{"applications": [{", ".join([GOOD] * 10)}]}}', headers=SENT)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "Too much" in answer.json()["error"]
    assert answers(face, *[GOOD] * 5)
