"""What the dashboard and the alert rules ask for, held against what a served process really exposes."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from decisions import wait_for
from installation import ROOT, Installation, Server, free_port, serving
from promql import MONITORING, PROMTOOL, base, declared, exposed_by, needs_promtool, unknown

pytestmark = pytest.mark.timeout(600)  # jobs and the monitor give way to whatever else the machine does

# Exposed by a portfolio with categories alone, which the default one is not.
OF_CATEGORIES = "loan_unknown_categories_total"
# Empty where nobody calls while Prometheus looks.
OF_CALLS = {
    "Predict calls without an error, 30 days",
    "Answers within 25 ms, 30 days",
    "How fast the budget of errors burns",
    "How fast the budget of slow answers burns",
    "Applicants by risk band, share",
}
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
        wait_for(lambda: client.get(f"/api/v1/predict/batch/{job}").json()["status"] == "SUCCESS", within_s=240)
    wait_for(lambda: "loan_model_drift_psi{" in text(watched), within_s=240)
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


@pytest.fixture(scope="module")
def prometheus(watched: Server, page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A real Prometheus that has scraped the server a few times and evaluated the rules."""
    assert page  # what it scrapes holds every metric
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed (apt-get install prometheus)")
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    scrape = {"job_name": "any-name", "static_configs": [{"targets": [watched.url.removeprefix("http://")]}]}
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(MONITORING / "*.rules.yaml")],
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    with (folder / "log").open("wb") as log:
        options = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": f"127.0.0.1:{port}",
        }
        command = [program, *(f"--{name}={value}" for name, value in options.items())]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as client:
            wait_for(lambda: is_ready(client), within_s=60)
            wait_for(lambda: found(client, "count_over_time(loan_model_ready[1m]) >= 5"), within_s=60)
            yield client
    finally:
        process.terminate()
        process.wait(timeout=30)


def found(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    """What Prometheus finds."""
    answer = client.get("/query", params={"query": query})
    assert answer.status_code == 200, answer.text
    series: list[dict[str, Any]] = answer.json()["data"]["result"]
    return series


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/query", params={"query": "1"}).status_code == 200
    except httpx.TransportError:
        return False


def test_a_real_prometheus_evaluates_every_rule_and_no_alert_is_raised(prometheus: httpx.Client) -> None:
    def rules() -> list[dict[str, Any]]:
        groups = prometheus.get("/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    wait_for(lambda: {rule["health"] for rule in rules()} == {"ok"})
    assert {rule["name"] for rule in rules()} == {name for name, _ in queries() if name.startswith(("loan:", "Loan"))}
    assert {rule["name"] for rule in rules() if rule.get("state") == "firing"} == set()


def test_a_real_prometheus_answers_every_panel(prometheus: httpx.Client) -> None:
    empty = set()
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$__rate_interval", "5s").replace("$namespace", ".*")
            if not found(prometheus, query):
                empty.add(panel["title"])
    # Nothing is wrong, and no column has categories.
    assert empty <= {"Alerts that are raised", "Values that are no known category, an hour", *OF_CALLS}


def test_a_server_without_a_model_says_so(tmp_path: Path) -> None:
    empty = Installation(tmp_path / "state")
    command = ["bentoml", "serve", "service:LoanDefault"]
    with serving(command, empty.environment, ROOT, tmp_path / "log", ready=False) as server:
        assert server.metrics()['loan_model_ready{stage="production"}'] == 0
