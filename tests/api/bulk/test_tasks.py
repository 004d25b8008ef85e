"""BentoML's face of jobs in one process: its fields, its statuses, the same jobs as on the REST face."""

import json
from pathlib import Path

import httpx
import pytest
from face import Face
from handed_in import APPLICANT, BATCH, csv, form, key


def submit(face: Face, **data: str) -> httpx.Response:
    return face.call("POST", "/score/submit", files=form(csv(3), field="portfolio"), data=data, headers=key("analyst"))


def ask(face: Face, method: str, verb: str, task_id: str) -> httpx.Response:
    return face.call(method, f"/score/{verb}", params={"task_id": task_id}, headers=key("analyst"))


def test_a_task_is_a_job_of_the_rest_face(face: Face) -> None:
    task = submit(face, reasons="true", separator='","', encoding="null").json()
    assert (task["status"], task["rows"], task["rows_done"]) == ("pending", 3, 0)
    assert ask(face, "GET", "status", task["task_id"]).json() == task
    job = face.call("GET", f"{BATCH}/{task['task_id']}", headers=key("analyst")).json()
    assert (job["status"], job["read_as"]["csv"]["separator"]) == ("PENDING", ",")


def test_a_list_is_taken_too(face: Face) -> None:
    body = {"applications": [APPLICANT], "reasons": True}
    assert face.call("POST", "/score/submit", json=body, headers=key("analyst")).json()["rows"] == 1
    refused = face.call("POST", "/score/submit", json={"predictions": [APPLICANT]}, headers=key("analyst"))
    assert refused.status_code == 400
    assert set(refused.json()) == {"error"}


def test_both_ways_of_a_task_can_ask_for_the_live_window(face: Face, job_files: Path) -> None:
    body = {"applications": [APPLICANT], "live_drift": True}
    answers = [face.call("POST", "/score/submit", json=body, headers=key("analyst")), submit(face, live_drift="true")]
    for answer in answers:
        assert json.loads((job_files / answer.json()["task_id"] / "job.json").read_text())["live_drift"] is True


def test_what_is_not_completed_is_told_as_bentoml_does(face: Face) -> None:
    task_id = submit(face).json()["task_id"]
    for method, verb in (("GET", "get"), ("POST", "retry")):
        answer = ask(face, method, verb, task_id)
        assert (answer.status_code, answer.json()) == (400, {"error": f"task {task_id} is not completed yet"})


def test_a_task_is_cancelled_and_goes_on_under_its_id(face: Face) -> None:
    task_id = submit(face).json()["task_id"]
    assert ask(face, "PUT", "cancel", task_id).json()["status"] == "canceled"
    assert ask(face, "GET", "get", task_id).status_code == 409
    again = ask(face, "POST", "retry", task_id).json()
    assert (again["task_id"], again["status"]) == (task_id, "pending")


@pytest.mark.parametrize(("verb", "method"), [("status", "GET"), ("get", "GET"), ("retry", "POST"), ("cancel", "PUT")])
def test_an_id_must_be_there_and_known(face: Face, verb: str, method: str) -> None:
    assert face.call(method, f"/score/{verb}", headers=key("analyst")).status_code == 400
    assert ask(face, method, verb, "0" * 32).status_code == 404
    assert face.call("PATCH", f"/score/{verb}", headers=key("analyst")).status_code == 405


def test_a_file_by_url_is_not_fetched(face: Face) -> None:
    forms = {"portfolio": (None, "http://127.0.0.1/p.csv")}
    answer = face.call("POST", "/score/submit", files=forms, headers=key("analyst"))
    assert answer.status_code == 400
    assert "must be a file" in answer.json()["error"]
