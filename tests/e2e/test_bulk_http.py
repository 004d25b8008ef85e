"""Portfolios over real HTTP, scored by a real worker: in by every way, out in every format, and what is hostile."""

import asyncio
import csv as csv_module
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bentoml
import httpx
import pyarrow.parquet as pq
import pytest
from decisions import wait_for
from handed_in import APPLICANT, BATCH, FILE, csv, form, gz, key, listed, parquet, rows, write_keys
from installation import KEY, ROOT, Installation, Server, serving
from wire import Reply, connection, head

pytestmark = pytest.mark.e2e

MAX_MIB = 4
SCORED = ("probability", "prediction", "default_risk", "model_version")
ROW = ("employed", "bank_balance", "annual_salary")
TYPE = "Content-Type: multipart/form-data; boundary=cut"
START = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="p.csv"\r\n\r\n'
END = b"\r\n--cut--\r\n"


@pytest.fixture(scope="module")
def server(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two online workers, one that works on jobs, keys of several holders."""
    folder = tmp_path_factory.mktemp("bulk")
    own = installation.copy(folder / "state")
    write_keys(own.state / "api_keys")
    (folder / "lake").mkdir()
    (folder / "lake" / "p.csv").write_bytes(csv(5))
    variables = {"WORKERS": "2", "JOB_MAX_UPLOAD_MIB": str(MAX_MIB), "JOB_SOURCES": str(folder / "lake")}
    command = ["bentoml", "serve", "service:LoanDefault"]
    with serving(command, own.environment | variables, ROOT, folder / "log") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as opened:
        yield opened


def kept(server: Server) -> set[str]:
    """The folders of jobs there are."""
    files = server.log.parent / "state" / "jobs" / "files"
    return {path.name for path in files.iterdir()} if files.exists() else set()


def finished(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The job of an answer, once it is finished."""
    assert answer.status_code == 202, answer.text
    url = f"{BATCH}/{answer.json()['job_id']}"
    wait_for(lambda: client.get(url).json()["status"] not in {"PENDING", "PROGRESS"})
    job: dict[str, Any] = client.get(url).json()
    assert job["status"] == "SUCCESS", job
    return job


def online(client: httpx.Client, count: int) -> list[dict[str, Any]]:
    """What online scoring answers to the rows of a portfolio."""
    applications = [dict(zip(ROW, row[1:], strict=True)) for row in rows(count)]
    answers = client.post("/predict", json={"applications": applications}).json()
    return [{name: answer[name] for name in SCORED} for answer in answers]


WAYS: dict[str, Callable[[httpx.Client, Path], httpx.Response]] = {
    "json": lambda client, _: client.post(
        BATCH, json=listed([dict(zip(ROW, row[1:], strict=True)) for row in rows(5)])
    ),
    "csv": lambda client, _: client.post(FILE, files=form(csv(5))),
    "semicolons": lambda client, _: client.post(FILE, files=form(csv(5, ";"))),
    "gzip": lambda client, _: client.post(FILE, files=form(gz(5), "p.csv.gz")),
    "parquet": lambda client, _: client.post(FILE, files=form(parquet(5), "p.parquet")),
    "uri": lambda client, lake: client.post(FILE, json={"uri": f"file://{lake}/p.csv"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_whichever_way_it_came_a_portfolio_is_scored_as_online(server: Server, client: httpx.Client, way: str) -> None:
    job = finished(client, WAYS[way](client, server.log.parent / "lake"))
    assert (job["total_predictions"], job["completed"], job["rejected"], job["progress"]) == (5, 5, 0, 100)
    assert [{name: row[name] for name in SCORED} for row in job["results"]] == online(client, 5)
    assert [row["row"] for row in job["results"]] == [1, 2, 3, 4, 5]


def test_results_are_the_same_in_all_three_formats(client: httpx.Client) -> None:
    job = finished(client, client.post(FILE, files=form(csv(1500))))
    assert "results" not in job
    answers = {name: client.get(job["results_url"], params={"format": name}) for name in ("json", "csv", "parquet")}
    types = ["application/json", "text/csv; charset=utf-8", "application/vnd.apache.parquet"]
    assert [answer.headers["content-type"] for answer in answers.values()] == types
    for name, answer in answers.items():
        assert answer.headers["content-disposition"] == f'attachment; filename="{job["job_id"]}.{name}"'
    table = pq.read_table(io.BytesIO(answers["parquet"].content)).to_pylist()
    assert answers["json"].json() == table
    lines = list(csv_module.DictReader(io.StringIO(answers["csv"].text)))
    assert len(lines) == len(table) == 1500
    assert [float(line["probability"]) for line in lines] == [row["probability"] for row in table]
    assert [line["Index"] for line in lines] == [str(row["Index"]) for row in table]
    assert client.head(job["results_url"]).content == b""


def test_what_an_applicant_typed_runs_in_no_spreadsheet_and_programs_get_it_as_it_came(client: httpx.Client) -> None:
    typed = '=HYPERLINK("http://evil.example","see")'
    content = (
        csv(2)
        .replace(b"Index", b"Index,note", 1)
        .replace(b"\n1,", b"\n1,-7.5,")
        .replace(b"\n2,", b'\n2,"' + typed.replace('"', '""').encode() + b'",')
    )
    job = finished(client, client.post(FILE, files=form(content)))
    assert [row["note"] for row in job["results"]] == ["-7.5", typed]

    def notes(**query: str) -> list[str]:
        text = client.get(job["results_url"], params={"format": "csv", **query}).text
        return [line["note"] for line in csv_module.DictReader(io.StringIO(text))]

    assert notes() == notes(formulas="text") == ["-7.5", f"'{typed}"]
    assert notes(formulas="keep") == ["-7.5", typed]
    parquet_file = client.get(job["results_url"], params={"format": "parquet"}).content
    assert pq.read_table(io.BytesIO(parquet_file))["note"].to_pylist() == ["-7.5", typed]


def test_bad_rows_are_rejected_with_number_and_reason_and_the_others_are_scored(client: httpx.Client) -> None:
    answer = client.post(f"{BATCH}?reasons=true", json=listed([APPLICANT, {**APPLICANT, "employed": 7}, {}, APPLICANT]))
    job = finished(client, answer)
    assert (job["completed"], job["rejected"]) == (2, 2)
    assert [row["row"] for row in job["results"]] == [1, 4]
    assert all("reasons" in row for row in job["results"])
    rejects = list(csv_module.DictReader(io.StringIO(client.get(job["rejects_url"]).text)))
    assert (rejects[0]["row"], rejects[0]["column"]) == ("2", "employed")
    assert {line["row"] for line in rejects} == {"2", "3"}
    summary = client.get(job["summary_url"]).json()["data"]
    assert (summary["rows"], summary["scored"], summary["rejected"]) == (4, 2, 2)


def test_anothers_finished_job_is_nobodys(server: Server) -> None:
    with server.client(key("analyst")["X-API-Key"]) as analyst, server.client(key("colleague")["X-API-Key"]) as other:
        job = finished(analyst, analyst.post(BATCH, json=listed([APPLICANT])))
        for url in (f"{BATCH}/{job['job_id']}", job["results_url"], job["rejects_url"], job["summary_url"]):
            assert (analyst.get(url).status_code, other.get(url).status_code) == (200, 404)
        assert other.get(f"/score/get?task_id={job['job_id']}").status_code == 404
        assert other.get(BATCH).json()["jobs"] == []
    with server.client(key("operator")["X-API-Key"]) as operator:
        assert operator.get(job["results_url"]).status_code == 200


def test_the_same_call_many_times_at_once_is_one_job(server: Server) -> None:
    before = kept(server)

    async def all_of_them() -> list[httpx.Response]:
        headers = {"X-API-Key": KEY, "Idempotency-Key": "at-once"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
            return await asyncio.gather(*(client.post(FILE, files=form(csv(50))) for _ in range(4)))

    answers = asyncio.run(all_of_them())
    assert {answer.status_code for answer in answers} <= {202, 409}
    ids = {answer.json()["job_id"] for answer in answers if answer.status_code == 202}
    assert len(ids) == 1
    with server.client() as client:
        again = client.post(FILE, files=form(csv(50)), headers={"Idempotency-Key": "at-once"})
        assert {again.json()["job_id"]} == ids
        assert finished(client, again)["completed"] == 50
    assert len(kept(server) - before) == 1


def test_bentomls_asynchronous_client_goes_all_the_way(server: Server, tmp_path: Path) -> None:
    portfolio = tmp_path / "p.csv"
    portfolio.write_bytes(csv(20))

    async def all_the_way() -> tuple[str, Path]:
        async with bentoml.AsyncHTTPClient(server.url, token=KEY) as client:
            task = await client.score.submit(portfolio=portfolio, reasons=True)
            while (await task.get_status()).value in {"pending", "in_progress"}:  # noqa: ASYNC110  # as a caller does
                await asyncio.sleep(0.1)
            found: Path = await task.get()
            table = pq.read_table(found)
            assert table.num_rows == 20
            assert "reasons" in table.column_names
            return task.id, found

    task_id, _ = asyncio.run(all_the_way())
    with server.client() as client:
        assert client.get(f"{BATCH}/{task_id}").json()["completed"] == 20
        status = client.get("/score/status", params={"task_id": task_id}).json()
        assert (status["status"], status["rows_done"], status["progress"]) == ("completed", 20, 100)


def said(server: Server, *headers: str, body: bytes = b"") -> Reply | None:
    """What is answered to a form that is written by hand."""
    with connection(server.url) as opened:
        opened.send(head(FILE, *headers) + body)
        return opened.reply()


HOSTILE = {
    "no boundary": ("Content-Type: multipart/form-data", START, 422),
    "an empty boundary": ('Content-Type: multipart/form-data; boundary=""', START, 422),
    "no final boundary": (TYPE, START + csv(3), 422),
    "another boundary": (TYPE, START.replace(b"cut", b"cat") + csv(3) + END, 422),
    "huge headers": (TYPE, b"--cut\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", 422),
    "many headers": (TYPE, b"--cut\r\n" + b"X: y\r\n" * 1000 + b"\r\n", 422),
    "many parts": (TYPE, b'--cut\r\nContent-Disposition: form-data; name="reasons"\r\n\r\ntrue\r\n' * 1000 + END, 422),
    "two files": (TYPE, START + csv(3) + b"\r\n" + START + csv(3) + END, 422),
    "a form in the form": (TYPE, START.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed\r\n\r\n") + END, 422),
    "no form": ("Content-Type: text/csv", csv(3), 415),
    "a compressed form": (TYPE + "\r\nContent-Encoding: gzip", gz(3), 415),
    "too large": (TYPE, START + b"x" * (MAX_MIB * 1024 * 1024 + 1) + END, 413),
}


@pytest.mark.parametrize(("content_type", "body", "status"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_form_is_refused_and_leaves_nothing(
    server: Server, content_type: str, body: bytes, status: int
) -> None:
    before = kept(server)
    reply = said(server, content_type, f"Content-Length: {len(body)}", body=body)
    assert reply is not None
    assert reply.status == status, reply
    assert set(reply.json()) == {"success", "error", "message", "details"}
    assert kept(server) == before


def test_a_part_without_end_is_cut_off_at_the_limit(server: Server) -> None:
    before = kept(server)
    block = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with connection(server.url) as opened:
        opened.send(head(FILE, TYPE, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(START), START))
        for _ in range(MAX_MIB * 16 + 1):
            opened.send(block)
        reply = opened.reply()
    assert reply is not None
    assert (reply.status, reply.json()["error"]) == (413, "body_too_large")
    assert kept(server) == before


def test_the_name_of_a_file_leads_nowhere(server: Server, client: httpx.Client) -> None:
    state = server.log.parent / "state"
    for name in ("../../x", "/tmp/x", "..\\x", "x\x00.csv"):
        answer = client.post(FILE, files=form(csv(3), name))
        assert answer.status_code in {202, 422}
    assert not list(state.rglob("x*"))


@pytest.mark.parametrize("sent", [START, START + csv(100), b""])
def test_a_caller_that_hangs_up_in_the_middle_leaves_nothing(server: Server, sent: bytes) -> None:
    before = kept(server)
    with connection(server.url) as opened:
        opened.send(head(FILE, TYPE, "Content-Length: 1000000") + sent)
        time.sleep(0.3)
    wait_for(lambda: kept(server) == before)


@pytest.mark.slow
def test_an_upload_may_take_longer_than_an_online_call(server: Server) -> None:
    body = START + csv(24) + END
    step = len(body) // 12
    with connection(server.url) as opened, server.client() as client:
        opened.send(head(FILE, TYPE, f"Content-Length: {len(body)}"))
        for i in range(0, len(body), step):
            opened.send(body[i : i + step])
            time.sleep(1)
        reply = opened.reply()
        assert reply is not None
        assert reply.status == 202, reply
        assert finished(client, httpx.Response(202, content=reply.body))["completed"] == 24


def test_metrics_and_logs_know_no_job_by_its_caller_or_content(server: Server, client: httpx.Client) -> None:
    marked = {**APPLICANT, "bank_balance": 4242.125}
    job = finished(client, client.post(BATCH, json=listed([marked, {**marked, "employed": 987654}])))
    client.get(job["results_url"])
    assert f'route="{BATCH}/{{job_id}}/results"' in json.dumps(list(server.metrics())).replace('\\"', '"')
    assert not [name for name in server.metrics() if job["job_id"] in name]
    log = server.log.read_text()
    for secret in ("4242.125", "987654", KEY):
        assert secret not in log


@pytest.mark.slow
def test_a_server_that_stops_gives_an_upload_ten_seconds_and_leaves_nothing(
    installation: Installation, tmp_path: Path
) -> None:
    own = installation.copy(tmp_path / "state")
    command = ["bentoml", "serve", "service:LoanDefault"]
    with serving(command, own.environment, ROOT, tmp_path / "log") as server, connection(server.url) as opened:
        opened.send(head(FILE, TYPE, "Content-Length: 1000000") + START + csv(10))
        wait_for(lambda: len(kept(server)) == 1)
        began = time.monotonic()
        server.process.terminate()
        ended = opened.drip([b"x"] * 100, pause_s=0.3)
        reply = opened.reply()
        assert server.process.wait(timeout=20) == 0
    assert reply is None or reply.status == 408, reply
    assert 5 < ended < time.monotonic() - began + 1
    assert kept(server) == set()
