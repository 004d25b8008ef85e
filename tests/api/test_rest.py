"""The REST face in one process: every call, every refusal, the envelope, ids and metrics."""

import shutil
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from face import KEY, Face
from prometheus_client import REGISTRY

from loan_default.model import LoanModel
from loan_default.schema.one_applicant import MAX_APPLICANT_BYTES
from loan_default.served import Served
from loan_default.settings import Settings

APPLICANT: dict[str, Any] = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}


@pytest.fixture
def face(settings: Settings, promoted: Served) -> Face:
    assert promoted.model_folder.is_dir()
    return Face(settings)


def test_a_prediction_is_the_models_own_answer_to_the_last_bit(face: Face, loan_model: LoanModel) -> None:
    answer = face.predict(APPLICANT)
    expected = float(loan_model.pd(np.array([[1, 8754.36, 532339.56]]))[0])
    assert answer.status_code == 200
    content = answer.json()
    assert len(content["data"].pop("decision_id")) == 32
    assert content == {
        "success": True,
        "data": {
            "prediction": 0,
            "probability": expected,
            "default_risk": "Low",
            "threshold": loan_model.decision.threshold,
            "model_version": "7",
            "features_used": {**APPLICANT, "saving_rate": 8754.36 / 532339.56},
        },
        "message": "Scored.",
    }


def test_high_is_exactly_prediction_one(face: Face, loan_model: LoanModel) -> None:
    for balance in range(0, 40_000, 500):
        data = face.predict({**APPLICANT, "bank_balance": balance}).json()["data"]
        declined = data["probability"] >= loan_model.decision.threshold
        assert (data["default_risk"] == "High") == (data["prediction"] == 1) == declined


@pytest.mark.parametrize("headers", [{"X-API-Key": "first-key"}, {"Authorization": "bearer second-key"}])
def test_either_key_in_either_header_opens(face: Face, headers: dict[str, str]) -> None:
    assert face.call("GET", "/api/v1/model/info", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/v1/predict", "/api/v1/model/info", "/api/nothing", "/predict", "/openapi.json", "/docs.json"]
)
def test_no_key_is_401_and_a_wrong_key_403_everywhere(face: Face, path: str) -> None:
    without = face.call("GET", path)
    wrong = face.call("GET", path, headers={"X-API-Key": "first-ke"})
    assert (without.status_code, wrong.status_code) == (401, 403)
    assert without.headers["www-authenticate"] == "Bearer"
    expected = {"success", "error", "message", "details"} if path.startswith("/api/") else {"error"}
    assert set(wrong.json()) == expected


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/metrics"])
def test_probes_and_metrics_need_no_key(face: Face, path: str) -> None:
    assert face.call("GET", path).status_code == 200


@pytest.mark.parametrize(
    ("body", "field", "allowed"),
    [
        ({**APPLICANT, "employed": True}, "employed", "an integer from 0 to 1"),
        ({**APPLICANT, "employed": 2}, "employed", "an integer from 0 to 1"),
        ({**APPLICANT, "bank_balance": -0.01}, "bank_balance", "a number ≥ 0"),
        ({**APPLICANT, "bank_balance": "1"}, "bank_balance", "a number ≥ 0"),
        ({**APPLICANT, "bank_balance": None}, "bank_balance", "a number ≥ 0"),
        ({**APPLICANT, "bank_balance": [1]}, "bank_balance", "a number ≥ 0"),
        ({**APPLICANT, "annual_salary": 0}, "annual_salary", "a number > 0"),
        ({**APPLICANT, "annual_salary": float("nan")}, "annual_salary", "a number > 0"),
        ({**APPLICANT, "annual_salary": float("inf")}, "annual_salary", "a number > 0"),
        ({"employed": 1, "bank_balance": 1}, "annual_salary", "a number > 0"),
        ({**APPLICANT, "age": 40}, "age", "the fields employed, bank_balance, annual_salary"),
    ],
)
def test_a_bad_field_is_422_with_its_name_and_what_is_allowed(
    face: Face, body: dict[str, Any], field: str, allowed: str
) -> None:
    answer = face.predict(body)
    assert answer.status_code == 422
    content = answer.json()
    assert (content["success"], content["error"]) == (False, "invalid_applicant")
    assert [(d["field"], d["allowed"]) for d in content["details"]] == [(field, allowed)]
    assert field in content["message"]


def test_all_bad_fields_are_reported_at_once(face: Face) -> None:
    details = face.predict({"employed": 5, "bank_balance": -1, "annual_salary": 0, "x": 1}).json()["details"]
    assert [detail["field"] for detail in details] == ["employed", "bank_balance", "annual_salary", "x"]


@pytest.mark.parametrize("body", ["", "{", "nothing", b"\xff\xfe", "[" * 10_000, '{"employed": 1,}'])
def test_what_is_not_json_is_422(face: Face, body: str | bytes) -> None:
    answer = face.predict(body)
    assert (answer.status_code, answer.json()["error"]) == (422, "malformed_body")


@pytest.mark.parametrize("body", ["[]", "1", "null", '"text"'])
def test_json_that_is_not_an_object_is_422_and_names_the_fields(face: Face, body: str) -> None:
    answer = face.predict(body)
    assert answer.status_code == 422
    assert "employed, bank_balance, annual_salary" in answer.json()["message"]


@pytest.mark.parametrize(
    "extreme",
    [
        {"bank_balance": 1e308, "annual_salary": 5e-324},
        {"bank_balance": 0, "annual_salary": 5e-324},
        {"bank_balance": -0.0, "annual_salary": 1e308},
        {"bank_balance": 5e-324, "annual_salary": 10**30},
    ],
)
def test_extreme_but_allowed_values_are_scored(face: Face, extreme: dict[str, float]) -> None:
    answer = face.predict({"employed": 0, **extreme})
    assert answer.status_code == 200
    assert 0 < answer.json()["data"]["probability"] < 1


@pytest.mark.parametrize("content_type", ["text/plain", "application/vnd.bentoml+pickle", "application/jsonp", ""])
def test_another_content_type_is_415(face: Face, content_type: str) -> None:
    answer = face.predict(APPLICANT, **{"content-type": content_type})
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")


def test_a_charset_parameter_is_welcome(face: Face) -> None:
    assert face.predict(APPLICANT, **{"content-type": "application/json; charset=utf-8"}).status_code == 200


def test_a_body_over_the_limit_is_413_even_when_its_length_is_not_announced(face: Face) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * MAX_APPLICANT_BYTES

    headers = {**KEY, "content-type": "application/json"}
    answer = face.call("POST", "/api/v1/predict", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (413, "body_too_large")


def test_an_unknown_path_is_404_and_a_wrong_method_405(face: Face) -> None:
    assert face.call("GET", "/api/v2/predict", headers=KEY).json()["error"] == "not_found"
    wrong = face.call("GET", "/api/v1/predict", headers=KEY)
    assert (wrong.status_code, wrong.json()["error"], wrong.headers["allow"]) == (405, "method_not_allowed", "POST")


def test_what_is_not_ours_goes_on_to_bentoml(face: Face) -> None:
    answer = face.call("GET", "/schema.json", headers=KEY)
    assert answer.text == "BentoML's own face"


def test_an_unexpected_error_is_500_without_its_details(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, object]:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(face.online, "model_info", broken)
    answer = face.call("GET", "/api/v1/model/info", headers=KEY)
    assert (answer.status_code, answer.json()["error"]) == (500, "internal_error")
    assert "secret" not in answer.text


def test_model_info_tells_what_answers(face: Face, loan_model: LoanModel) -> None:
    data = face.call("GET", "/api/v1/model/info", headers=KEY).json()["data"]
    assert data["name"] == "loan_default_model"
    assert (data["version"], data["alias"], data["tag"]) == ("7", "production", "loan_default:7-01234567")
    assert data["features"] == ["employed", "bank_balance", "annual_salary"]
    assert data["engineered_features"] == ["saving_rate"]
    assert data["run_id"] == loan_model.about.run_id
    assert data["created_at"] == "2026-01-02T03:04:05+00:00"
    assert data["threshold"] == loan_model.decision.threshold
    assert data["metrics"] == {"oof_roc_auc": 0.9}


def test_without_a_model_it_lives_but_is_not_ready_and_says_what_to_do(settings: Settings) -> None:
    face = Face(settings)
    assert face.call("GET", "/healthz").status_code == 200
    for answer in (
        face.call("GET", "/readyz"),
        face.predict(APPLICANT),
        face.call("GET", "/api/v1/model/info", headers=KEY),
    ):
        assert answer.status_code == 503
        assert "make train" in answer.json()["message"]


@pytest.mark.parametrize("lost", ["pointer", "store", "file", "checksums", "not json"])
def test_what_is_wrong_is_told_to_strangers_without_any_folder(settings: Settings, promoted: Served, lost: str) -> None:
    folder, pointer = promoted.model_folder, settings.state / "served" / "production.json"
    if lost == "pointer":
        pointer.unlink()
        pointer.mkdir()  # which cannot be read as a file
    elif lost == "store":
        shutil.rmtree(promoted.folder)
    elif lost == "not json":
        (folder / "checksums.json").write_text("{")
    else:
        (folder / ("about.json" if lost == "file" else "checksums.json")).unlink()
    message = Face(settings).call("GET", "/readyz").json()["message"]
    assert "/" not in message


def test_an_altered_model_is_not_served(settings: Settings, promoted: Served) -> None:
    decision = promoted.model_folder / "decision.json"
    decision.write_text(decision.read_text().replace('"slope": 0.', '"slope": 1.'))
    answer = Face(settings).call("GET", "/readyz")
    assert answer.status_code == 503
    assert "altered" in answer.json()["message"]
    assert "decision.json" in answer.json()["message"]


def test_a_sane_request_id_is_kept_and_another_replaced(face: Face) -> None:
    assert face.call("GET", "/healthz", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    forged = face.call("GET", "/healthz", headers={"X-Request-ID": 'a" level="x'}).headers["x-request-id"]
    assert len(forged) == 32
    assert forged.isalnum()


def test_strangers_cannot_create_metric_series(face: Face) -> None:
    before = _series()
    for i in range(50):
        face.call(f"M{i}", f"/nowhere/{i}", headers=KEY)
    assert len(_series() - before) <= 1


def test_predictions_are_counted_by_face_and_band(face: Face) -> None:
    before = REGISTRY.get_sample_value("loan_prediction_result_total", {"default_risk": "Low"}) or 0
    face.predict(APPLICANT)
    assert REGISTRY.get_sample_value("loan_prediction_result_total", {"default_risk": "Low"}) == before + 1
    assert (
        REGISTRY.get_sample_value(
            "loan_model_info", {"name": "loan_default_model", "version": "7", "stage": "production"}
        )
        == 1
    )


def _series() -> set[tuple[tuple[str, str], ...]]:
    return {
        tuple(sorted(sample.labels.items()))
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "loan_http_requests_total"
    }
