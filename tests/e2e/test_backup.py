"""A back-up of a running server, restored in another place: same model, same key, old decisions, jobs that go on."""

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from decisions import wait_for
from installation import ROOT, Installation, Server, serving
from job_makers import hand_in, outcome, over, portfolio
from job_makers import wait_for as wait_for_job
from load import Question, constant_load

from loan_default.jobs.jobs import Jobs
from loan_default.served import find_served
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

SERVE = ["bentoml", "serve", "service:LoanDefault"]
APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
CONTENT = portfolio(4_000)


def loan_default(installation: Installation, *arguments: object) -> str:
    """What a command says; it must end well."""
    done = installation.run(sys.executable, "-m", "loan_default.cli", *map(str, arguments))
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_key(installation: Installation) -> dict[str, str]:
    """Its environment, in which the random key of the first start is the only one."""
    return {**installation.environment, "API_KEY": "", "DRIFT_SAMPLING_RATE": "1", "DRIFT_CHECK_INTERVAL_S": "0.5"}


def predict(server: Server, key: str) -> dict[str, Any]:
    with server.client(key) as client:
        answer = client.post("/api/v1/predict", json=APPLICANT)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def watched(server: Server, key: str) -> int:
    """How many samples the drift monitor has."""
    with server.client(key) as client:
        answer = client.get("/api/v1/drift")
    return int(answer.json()["data"]["window"]["samples"]) if answer.status_code == 200 else 0


@contextmanager
def standing_still(processes: list[psutil.Process]) -> Iterator[None]:
    """Processes that do nothing within the block."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def watched_after_some(server: Server, key: str, more_than: int = 0) -> tuple[int, int]:
    """How many samples the drift monitor has, after as many predictions as it takes, and how many that were."""
    made = 0

    def enough() -> bool:
        nonlocal made
        predict(server, key)
        made += 1
        return watched(server, key) > more_than

    wait_for(enough, 90)
    return watched(server, key), made


def test_everything_is_there_after_a_restore_in_another_place(installation: Installation, tmp_path: Path) -> None:
    original = installation.copy(tmp_path / "state")
    archive = tmp_path / "backup.tar.zst"
    settings = Settings(_env_file=None, state_dir=original.state)
    with Jobs(settings) as jobs, serving(SERVE, without_key(original), ROOT, tmp_path / "log") as server:
        key = (original.state / "api_key").read_text().strip()
        served = find_served(settings, ROOT)
        undisturbed = hand_in(jobs, served, CONTENT)
        wait_for_job(jobs, undisturbed, over, within_s=120)
        expected = outcome(jobs, undisturbed)
        decided = predict(server, key)
        watched_after_some(server, key, more_than=9)
        unfinished = hand_in(jobs, served, CONTENT, chunk_rows=4)  # a thousand, so that it takes a while
        wait_for_job(jobs, unfinished, lambda view: view.completed > 0, within_s=120)
        # The worker stands still, or the job might be over before the back-up begins.
        with (
            standing_still(server.job_workers()),
            constant_load(server.url, [Question("/api/v1/predict", APPLICANT)], key=lambda: key) as load,
        ):
            wait_for(lambda: len(load.answers) > 20)
            view = jobs.view(unfinished)
            loan_default(original, "backup", archive)
        assert load.failures == []
        assert view is not None
        assert view.status == "PROGRESS"
    shutil.rmtree(original.state)

    restored = Installation(tmp_path / "elsewhere" / "state")
    loan_default(restored, "restore", "--check", archive)
    loan_default(restored, "restore", archive)
    assert (restored.state / "api_key").stat().st_mode & 0o077 == 0
    with serving(SERVE, without_key(restored), ROOT, tmp_path / "log-restored") as server:
        again = predict(server, key)
        assert {**again, "decision_id": ""} == {**decided, "decision_id": ""}
        samples, made = watched_after_some(server, key)
        assert samples > made + 1, "the window began anew"
        with Jobs(Settings(_env_file=None, state_dir=restored.state)) as jobs:
            done = wait_for_job(jobs, unfinished, over, within_s=120)
            assert done.status == "SUCCESS", done
            assert outcome(jobs, undisturbed) == expected
            scored, rejects = outcome(jobs, unfinished)
            assert rejects == expected[1]
            assert pq.read_table(pa.BufferReader(scored)).equals(pq.read_table(pa.BufferReader(expected[0])))
        assert httpx.get(f"{server.url}/api/v1/model/info", headers={"X-API-Key": "wrong"}).status_code == 403
    told = loan_default(restored, "decision", decided["decision_id"])
    assert decided["decision_id"] in told
    assert repr(decided["probability"]) in loan_default(restored, "decision", decided["decision_id"], "--json")
    _registry_is_whole(restored)


def _registry_is_whole(restored: Installation) -> None:
    """A version can be promoted again from the registry alone, and nothing leads to where the state was before."""
    with closing(sqlite3.connect(restored.state / "mlflow.db")) as connection:
        places = connection.execute(
            "SELECT artifact_uri FROM runs UNION SELECT storage_location FROM model_versions"
        ).fetchall()
    assert {place.startswith(restored.state.as_uri()) for (place,) in places} == {True}
    shutil.rmtree(restored.state / "bentoml")
    assert "is promoted to production" in loan_default(restored, "promote", "1")
    assert "version 1 promoted (production)" in loan_default(restored, "history")
