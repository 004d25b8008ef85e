"""What the dashboard and the alert rules ask for, held against what a served process really exposes."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
import yaml
from decisions import wait_for
from installation import ROOT, Installation, Server, serving
from promql import MONITORING, PROMTOOL, base, declared, exposed_by, needs_promtool, unknown

# Exposed by a portfolio with categories alone, which the default one is not.
OF_CATEGORIES = "loan_unknown_categories_total"
APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}


@pytest.fixture(scope="module")
def watched(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that looks for drift all the time."""
    folder = tmp_path_factory.mktemp("monitoring")
    own = installation.copy(folder / "state")
    often = {"DRIFT_SAMPLING_RATE": "1", "DRIFT_MIN_SAMPLES": "50", "DRIFT_CHECK_INTERVAL_S": "0.5", "WORKERS": "2"}
    command = ["bentoml", "serve", "service:LoanDefault"]
    with serving(command, {**own.environment, **often}, ROOT, folder / "log") as server:
        yield server


@pytest.fixture(scope="module")
def page(watched: Server) -> str:
    """Its metrics after one call of every kind: an applicant, a list, a wrong key, a job."""
    with watched.client() as client:
        assert client.post("/api/v1/predict", json=APPLICANT).status_code == 200
        assert client.post("/predict", json={"applications": [APPLICANT] * 100}).status_code == 200
        assert client.get("/api/v1/model/info", headers={"X-API-Key": "wrong"}).status_code == 403
        job = client.post("/api/v1/predict/batch", json={"predictions": [APPLICANT] * 10}).json()["job_id"]
        wait_for(lambda: client.get(f"/api/v1/predict/batch/{job}").json()["status"] == "SUCCESS")
    wait_for(lambda: "loan_model_drift_psi{" in text(watched))
    return text(watched)


def text(server: Server) -> str:
    return httpx.get(server.url + "/metrics").text


def queries() -> Iterator[tuple[str, str]]:
    """Who asks, and what."""
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for path in MONITORING.glob("*.rules.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                yield rule.get("alert") or rule["record"], rule["expr"]


def test_every_query_names_metrics_and_labels_that_a_server_exposes(page: str) -> None:
    exposed = {**exposed_by(page), OF_CATEGORIES: {"column", "outcome"}}
    recorded = {name: set[str]() for name, _ in queries() if name.startswith("loan:")}
    problems = {name: found for name, query in queries() if (found := unknown(query, exposed, recorded))}
    assert problems == {}


def test_a_query_of_something_else_is_noticed(page: str) -> None:
    exposed = exposed_by(page)
    assert unknown("rate(loan_predictions_total[5m])", exposed, {}) == []
    assert unknown("loan_prediction_total", exposed, {}) == ["no metric loan_prediction_total"]
    assert unknown('loan_predictions_total{colour="a"}', exposed, {}) == ["loan_predictions_total has no label colour"]
    assert unknown("sum by (colour) (loan_predictions_total)", exposed, {}) == ["nothing here has a label colour"]


def test_a_server_exposes_every_metric_there_is(page: str) -> None:
    exposed = {base(name) for name in exposed_by(page)}
    assert set(declared()) - exposed == {OF_CATEGORIES}


@pytest.mark.parametrize(
    "series",
    [
        'loan_decision_log_dropped_total{reason="disk_full"}',
        'loan_jobs_finished_total{outcome="failure"}',
        'loan_model_taken_up_total{outcome="refused"}',
        'loan_key_refusals_total{reason="blocked"}',
    ],
)
def test_counters_of_known_events_are_there_before_the_first(page: str, series: str) -> None:
    assert f"{series} 0.0" in page


def test_a_server_says_that_it_has_a_model_and_when_it_was_trained(watched: Server) -> None:
    values = watched.metrics()
    assert values['loan_model_ready{stage="production"}'] == 1
    with watched.client() as client:
        created_at = client.get("/api/v1/model/info").json()["data"]["created_at"]
    trained = values['loan_model_trained_timestamp_seconds{stage="production"}']
    assert trained == pytest.approx(datetime.fromisoformat(created_at).timestamp(), abs=0.001)


def test_each_field_of_a_line_of_the_log_is_described(watched: Server, page: str) -> None:
    assert "loan_model_drift_psi" in page  # by then every process has said something
    described = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "observability.md").read_text(), re.MULTILINE))
    assert {field for line in watched.lines() for field in line} <= described
    assert {line["logger"].partition(".")[0] for line in watched.lines()} >= {"loan_default"}


@needs_promtool
def test_prometheus_can_read_the_page(page: str) -> None:
    done = subprocess.run([str(PROMTOOL), "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 3}, done.stdout + done.stderr  # 3: it read all of it, and has opinions on names


def test_a_server_without_a_model_says_so(tmp_path: Path) -> None:
    empty = Installation(tmp_path / "state")
    command = ["bentoml", "serve", "service:LoanDefault"]
    with serving(command, empty.environment, ROOT, tmp_path / "log", ready=False) as server:
        assert server.metrics()['loan_model_ready{stage="production"}'] == 0
