"""The REST face of jobs in one process: handing in, following, whose job it is, and what is refused."""

import asyncio
import errno
import json
import resource
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from face import Face
from handed_in import APPLICANT, BATCH, FILE, csv, form, gz, key, listed, parquet, write_keys
from starlette.types import Message

from loan_default.api.bulk.access import JobAccess
from loan_default.api.bulk.portfolios import Listed
from loan_default.errors import Busy
from loan_default.security.caller import Caller
from loan_default.served import Served
from loan_default.settings import Settings


def hand_in(face: Face, who: str = "analyst", **headers: str) -> httpx.Response:
    return face.call("POST", BATCH, json=listed([APPLICANT, {}]), headers={**key(who), **headers})


def send(
    face: Face, content: bytes, name: str = "p.csv", data: dict[str, str] | None = None, path: str = FILE
) -> httpx.Response:
    return face.call("POST", path, files=form(content, name), data=data, headers=key("analyst"))


def folders(job_files: Path) -> list[str]:
    return sorted(path.name for path in job_files.iterdir()) if job_files.exists() else []


def test_an_accepted_list_is_a_job_with_its_rows_as_they_came_and_its_own_model(face: Face, job_files: Path) -> None:
    answer = hand_in(face)
    job = answer.json()
    assert (answer.status_code, job["success"], job["status"]) == (202, True, "PENDING")
    assert (job["total_predictions"], job["progress"], job["key_id"]) == (2, 0, "analyst")
    folder = job_files / job["job_id"]
    source = folder / "source"
    assert [json.loads(line) for line in source.read_text().splitlines()] == [APPLICANT, {}]
    loaded = face.online.require_loaded()
    for path in loaded.served.model_folder.iterdir():
        assert (folder / "model" / path.name).read_bytes() == path.read_bytes()
    assert face.call("GET", f"{BATCH}/{job['job_id']}", headers=key("analyst")).json()["total_predictions"] == 2


@pytest.mark.parametrize(
    ("content", "name", "read_as"),
    [
        (csv(3), "p.csv", ("csv", False, ",")),
        (csv(3, ";"), "p.csv", ("csv", False, ";")),
        (csv(3, "\t"), "p.txt", ("csv", False, "\t")),
        (gz(3), "p.csv.gz", ("csv", True, ",")),
    ],
)
def test_how_a_csv_is_read_is_told(face: Face, content: bytes, name: str, read_as: tuple[str, bool, str]) -> None:
    answer = send(face, content, name)
    assert answer.status_code == 202, answer.text
    told = answer.json()["read_as"]
    assert (told["kind"], told["gzipped"], told["csv"]["separator"]) == read_as
    assert told["columns"]["employed"] == "Employed"
    assert told["carried"] == ["Index"]
    assert any("separator" in note for note in told["notes"])


def test_a_parquet_file_is_taken_by_its_first_bytes(face: Face) -> None:
    for name in ("p.parquet", "portfolio"):
        assert send(face, parquet(3), name).json()["read_as"]["kind"] == "parquet"


def test_options_stand_in_the_form_or_in_the_query(face: Face, job_files: Path) -> None:
    ids = [
        send(face, csv(3, ";"), data={"separator": ";", "reasons": "true"}).json()["job_id"],
        send(face, csv(3, ";"), path=f"{FILE}?separator=%3B&reasons=true").json()["job_id"],
    ]
    for job_id in ids:
        order = json.loads((job_files / job_id / "job.json").read_text())["inspected"]["order"]
        assert (order["reasons"], order["written"]["csv"]["separator"]) == (True, ";")


def test_a_sample_enters_the_live_window_only_if_asked(face: Face, job_files: Path) -> None:
    body = listed([APPLICANT])
    (job_files.parent.parent.parent / "lake" / "p.csv").write_bytes(csv(3))
    named = {"uri": str(job_files.parent.parent.parent / "lake" / "p.csv"), "live_drift": True}
    answers = [
        face.call("POST", f"{BATCH}?live_drift=true", json=body, headers=key("analyst")),
        send(face, csv(3), data={"live_drift": "true"}),
        send(face, csv(3), path=f"{FILE}?live_drift=true"),
        face.call("POST", FILE, json=named, headers=key("analyst")),
        send(face, csv(3), data={"live_drift": "false"}),
        face.call("POST", BATCH, json=body, headers=key("analyst")),
    ]
    kept = [json.loads((job_files / answer.json()["job_id"] / "job.json").read_text()) for answer in answers]
    assert [job.get("live_drift") for job in kept] == [True, True, True, True, None, None]


@pytest.mark.parametrize("off", [{"drift_monitor": "off"}, {"drift_sampling_rate": 0.0}])
def test_where_drift_is_not_watched_asking_for_it_is_refused_and_leaves_nothing(
    settings: Settings, promoted: Served, off: dict[str, object]
) -> None:
    assert promoted
    write_keys(settings.keys_file)
    unwatched = Face(settings.model_copy(update=off))
    for path, status in ((f"{BATCH}?live_drift=true", 422), (BATCH, 202)):
        answer = unwatched.call("POST", path, json=listed([APPLICANT]), headers=key("analyst"))
        assert answer.status_code == status
    assert (
        "DRIFT_MONITOR is off"
        in unwatched.call("POST", f"{BATCH}?live_drift=true", json=listed([APPLICANT]), headers=key("analyst")).json()[
            "message"
        ]
    )
    assert len(folders(settings.jobs / "files")) == 1
    unwatched.online.jobs.close()


@pytest.mark.parametrize(
    ("sent", "data", "said"),
    [
        ((b"Index,Employed\n1,1\n", "p.csv"), {}, "Bank Balance"),
        ((b"Index,Employed,Bank Balance,Annual Salary\n", "p.csv"), {}, "no rows"),
        ((b"", "p.csv"), {}, ""),
        ((csv(1001), "p.csv"), {}, "more than 1,000 rows"),
        ((b"PAR1" + b"\x00" * 100, "p.parquet"), {}, "Parquet"),
        ((b"\x1f\x8b" + b"\x00" * 100, "p.csv.gz"), {}, "gzip"),
        ((csv(3), "p.parquet"), {}, "called Parquet, and is none"),
        ((csv(3), "p.csv"), {"separator": "x"}, "separator must be one of"),
        ((csv(3), "p.csv"), {"other": "x"}, "`other` is no field of this form"),
    ],
)
def test_a_portfolio_that_cannot_be_scored_is_refused_at_once_and_leaves_nothing(
    face: Face, job_files: Path, sent: tuple[bytes, str], data: dict[str, str], said: str
) -> None:
    answer = send(face, *sent, data)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["message"]
    assert folders(job_files) == []
    assert face.call("GET", BATCH, headers=key("analyst")).json()["jobs"] == []


def test_a_portfolio_that_is_too_large_is_refused_by_its_length_or_as_it_arrives(face: Face, job_files: Path) -> None:
    large = b"x" * (1024 * 1024 + 1)
    assert send(face, large + b"x" * 100_000).status_code == 413  # its length says it
    answer = send(face, large)  # its form is within the limit of forms
    assert (answer.status_code, answer.json()["error"]) == (413, "body_too_large")
    assert "1,048,576 bytes" in answer.json()["message"]
    assert folders(job_files) == []


def test_a_list_that_is_too_large_or_not_json_is_refused(face: Face, job_files: Path) -> None:
    as_json = {**key("analyst"), "content-type": "application/json"}
    large = face.call("POST", BATCH, content=b" " * (32 * 1024 * 1024 + 1), headers=as_json)
    text = face.call("POST", BATCH, content=b"{}", headers={**key("analyst"), "content-type": "text/plain"})
    assert (large.status_code, text.status_code) == (413, 415)
    assert folders(job_files) == []


def test_each_call_on_anothers_job_is_answered_as_if_there_were_none(face: Face) -> None:
    job_id = hand_in(face).json()["job_id"]
    calls = [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/results"),
        ("GET", "/rejects"),
        ("GET", "/summary"),
        ("POST", "/retry"),
    ]
    for method, rest in calls:
        theirs = face.call(method, f"{BATCH}/{job_id}{rest}", headers=key("colleague"))
        nobodys = face.call(method, f"{BATCH}/{'0' * 32}{rest}", headers=key("colleague"))
        assert (theirs.status_code, theirs.json()) == (404, nobodys.json())
    for verb, method in (("status", "GET"), ("get", "GET"), ("retry", "POST"), ("cancel", "PUT")):
        theirs = face.call(method, f"/score/{verb}?task_id={job_id}", headers=key("colleague"))
        assert theirs.status_code == 404
    assert face.call("GET", BATCH, headers=key("colleague")).json()["jobs"] == []
    assert face.call("GET", f"{BATCH}/{job_id}", headers=key("analyst")).json()["status"] == "PENDING"


def test_an_operator_sees_all_jobs_and_makes_none(face: Face) -> None:
    job_id = hand_in(face).json()["job_id"]
    assert face.call("GET", f"{BATCH}/{job_id}", headers=key("operator")).status_code == 200
    assert [job["job_id"] for job in face.call("GET", BATCH, headers=key("operator")).json()["jobs"]] == [job_id]
    refused = hand_in(face, "operator")
    assert (refused.status_code, refused.json()["error"]) == (403, "missing_scope")


@pytest.mark.parametrize("job_id", ["none", "A" * 32, "0" * 31, "0" * 33, "..%2f..", "file", "%00"])
def test_an_id_that_is_none_is_nobodys_job(face: Face, job_id: str) -> None:
    for rest in ("/results", "/rejects"):
        answer = face.call("GET", f"{BATCH}/{job_id}{rest}", headers=key("analyst"))
        assert answer.status_code == 404


def test_the_same_call_again_gives_the_same_job_and_another_one_is_refused(face: Face, job_files: Path) -> None:
    named = {"Idempotency-Key": "may"}
    first, second = hand_in(face, **named), hand_in(face, **named)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["job_id"] == second.json()["job_id"]
    other = face.call("POST", BATCH, json=listed([APPLICANT]), headers={**key("analyst"), **named})
    options = face.call(
        "POST", f"{BATCH}?reasons=true", json=listed([APPLICANT, {}]), headers={**key("analyst"), **named}
    )
    assert [answer.json()["error"] for answer in (other, options)] == ["job_conflict"] * 2
    assert hand_in(face, "colleague", **named).json()["job_id"] != first.json()["job_id"]
    assert len(folders(job_files)) == 2


def test_an_upload_sent_again_is_the_same_job(face: Face) -> None:
    headers = {**key("analyst"), "Idempotency-Key": "may"}
    answers = [face.call("POST", FILE, files=form(csv(count)), headers=headers) for count in (3, 3, 4)]
    assert [answer.status_code for answer in answers] == [202, 202, 409]
    assert answers[0].json()["job_id"] == answers[1].json()["job_id"]


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ä"])
def test_an_idempotency_key_must_be_a_safe_name(face: Face, name: str) -> None:
    headers = [(b"x-api-key", b"key-of-analyst"), (b"idempotency-key", name.encode())]
    answer = face.call("POST", BATCH, json=listed([APPLICANT]), headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_header")


def test_an_unfinished_job_has_no_results_and_can_be_cancelled_and_retried(face: Face) -> None:
    job_id = hand_in(face).json()["job_id"]

    def call(method: str, rest: str = "") -> httpx.Response:
        return face.call(method, f"{BATCH}/{job_id}{rest}", headers=key("analyst"))

    for rest in ("/results", "/rejects", "/summary"):
        answer = call("GET", rest)
        assert (answer.status_code, answer.json()["error"]) == (409, "job_conflict")
    assert call("POST", "/retry").status_code == 409
    assert [call("DELETE").json()["status"] for _ in range(2)] == ["CANCELLED", "CANCELLED"]
    retried = call("POST", "/retry")
    assert (retried.status_code, retried.json()["job_id"], retried.json()["status"]) == (202, job_id, "PENDING")


def test_a_job_whose_description_is_damaged_is_shown_all_the_same(face: Face, job_files: Path) -> None:
    job_id = hand_in(face).json()["job_id"]
    (job_files / job_id / "job.json").write_text("{")
    answer = face.call("GET", f"{BATCH}/{job_id}", headers=key("analyst"))
    assert (answer.status_code, answer.json()["job_id"]) == (200, job_id)
    assert "read_as" not in answer.json()


def test_a_portfolio_under_a_configured_place_is_scored_where_it_stands(
    face: Face, job_files: Path, tmp_path: Path
) -> None:
    path = tmp_path / "lake" / "p.csv"
    path.write_bytes(csv(3))
    answer = face.call("POST", FILE, json={"uri": str(path), "reasons": True}, headers=key("analyst"))
    assert answer.status_code == 202, answer.text
    assert answer.json()["total_predictions"] == 3
    assert not (job_files / answer.json()["job_id"] / "source").exists()


@pytest.mark.parametrize(
    "body", [{"uri": "/etc/passwd"}, {"uri": "{lake}/../secret"}, {"uri": "http://127.0.0.1/p.csv"}, {"uri": 5}, {}, []]
)
def test_a_portfolio_anywhere_else_is_not_read(face: Face, job_files: Path, tmp_path: Path, body: Any) -> None:
    (tmp_path / "secret").write_bytes(csv(3))
    text = json.dumps(body).replace("{lake}", str(tmp_path / "lake"))
    sent = {**key("analyst"), "content-type": "application/json"}
    answer = face.call("POST", FILE, content=text, headers=sent)
    assert answer.status_code == 422
    assert "passwd" not in answer.text
    assert folders(job_files) == []


def test_a_full_disk_is_told_and_leaves_nothing(face: Face, job_files: Path) -> None:
    hand_in(face)  # the database is there
    before = folders(job_files)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, limits[1]))  # errno.EFBIG, as near to ENOSPC as it gets
    try:
        answer = send(face, b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (answer.status_code, answer.json()["error"]) == (503, "jobs_unavailable")
    assert errno.errorcode[errno.EFBIG] not in answer.text
    assert folders(job_files) == before


@pytest.mark.parametrize("ends", ["http.disconnect", "nothing"])
def test_a_caller_that_goes_away_or_falls_silent_leaves_nothing(
    face: Face, job_files: Path, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loan_default.api.bulk.arriving.STALL_S", 0.2)
    start = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="p.csv"\r\n\r\n' + csv(100)
    sent = iter([{"type": "http.request", "body": start, "more_body": True}])
    answers: list[Message] = []
    seen: list[list[str]] = []

    async def receive() -> Message:
        for message in sent:
            return message
        seen.append(folders(job_files))
        if ends == "nothing":
            await asyncio.sleep(60)
        return {"type": ends}

    async def take(message: Message) -> None:
        answers.append(message)

    headers = [(b"x-api-key", b"key-of-analyst"), (b"content-type", b"multipart/form-data; boundary=cut")]
    scope = {"type": "http", "method": "POST", "path": FILE, "query_string": b"", "headers": headers}

    async def call() -> None:
        await face.app(scope, receive, take)

    asyncio.run(call())
    assert len(seen[0]) == 1
    assert folders(job_files) == []
    assert [message.get("status") for message in answers[:1]] == ([408] if ends == "nothing" else [])


def test_more_transfers_of_a_key_than_its_share_are_refused_and_others_are_served(settings: Settings) -> None:
    access = JobAccess(settings)
    analyst, colleague = (Caller(name, frozenset({"score"})) for name in ("analyst", "colleague"))
    with access.transfer(analyst), access.transfer(analyst), access.transfer(analyst), access.transfer(analyst):
        with pytest.raises(Busy, match="at most 4 for each key"), access.transfer(analyst):
            pass
        with access.transfer(colleague):
            pass
    with access.transfer(analyst):
        pass


def test_lists_of_all_keys_together_are_few_because_they_are_in_memory(settings: Settings) -> None:
    access = JobAccess(settings)
    with ExitStack() as held:
        for i in range(4):
            held.enter_context(access.transfer(Caller(f"key-{i}", frozenset()), Listed.places))
        with pytest.raises(Busy), access.transfer(Caller("another", frozenset()), Listed.places):
            pass


def test_wrong_methods_paths_and_queries_are_refused(face: Face) -> None:
    job = f"{BATCH}/{'0' * 32}"
    for method, path, allowed in (("PUT", BATCH, "GET, POST"), ("POST", job, "GET, DELETE"), ("GET", FILE, "POST")):
        answer = face.call(method, path, headers=key("analyst"))
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert face.call("GET", f"{job}/other", headers=key("analyst")).json()["error"] == "not_found"
    for query in ("limit=0", "limit=1001", "limit=x", "limit=000000001" + "9" * 5000, "most=1", "limit=1&limit=2"):
        assert face.call("GET", f"{BATCH}?{query}", headers=key("analyst")).json()["error"] == "invalid_query"
    for query in ("format=xml", "format=csv&formulas=run", "format=json&formulas=keep", "formulas=text"):
        answer = face.call("GET", f"{job}/results?{query}", headers=key("analyst"))
        assert answer.json()["error"] == "invalid_query", query


def test_without_a_key_nothing_is_told(face: Face) -> None:
    for method, path in (("POST", BATCH), ("GET", BATCH), ("GET", f"{BATCH}/{'0' * 32}"), ("POST", "/score/submit")):
        assert face.call(method, path).status_code == 401


def test_a_job_counts_under_its_template(face: Face) -> None:
    face.call("GET", f"{BATCH}/a-strangers-words", headers=key("analyst"))
    text = face.call("GET", "/metrics").text
    assert f'route="{BATCH}/{{job_id}}"' in text
    assert "a-strangers-words" not in text
