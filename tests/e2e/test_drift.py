"""The drift monitor of a real server: what it sees, and that nobody waits for it when it is in trouble."""

import csv
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from hostile import PICKLES, pickle_that_leaves
from installation import KEY, ROOT, Installation, Server, environment, serving
from load import Question, constant_load

pytestmark = pytest.mark.e2e

SERVE = ["bentoml", "serve", "service:LoanDefault"]
SAMPLED = {"DRIFT_SAMPLING_RATE": "1", "DRIFT_CHECK_INTERVAL_S": "0.5", "WORKERS": "2"}
# BentoML looks for dead processes every 10 s, and starting one takes a few more.
_BACK_WITHIN_S = 40

Applicant = dict[str, float]


@pytest.fixture(scope="module")
def applicants() -> list[Applicant]:
    """All applicants of the default data, shuffled."""
    with (ROOT / "data" / "Default_Fin.csv").open() as file:
        rows = [
            {
                "employed": int(row["Employed"]),
                "bank_balance": float(row["Bank Balance"]),
                "annual_salary": float(row["Annual Salary"]),
            }
            for row in csv.DictReader(file)
        ]
    random.Random(5).shuffle(rows)
    return rows


@pytest.fixture
def watched(installation: Installation, tmp_path: Path) -> Iterator[Server]:
    """A server with an installation of its own, whose monitor sees every prediction."""
    copied = installation.copy(tmp_path / "state")
    with serving(SERVE, {**copied.environment, **SAMPLED}, ROOT, tmp_path / "log") as server:
        yield server


@pytest.fixture(scope="module")
def watched_by_many(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same for tests that feed it nothing."""
    folder = tmp_path_factory.mktemp("watched")
    copied = installation.copy(folder / "state")
    with serving(SERVE, {**copied.environment, **SAMPLED}, ROOT, folder / "log") as server:
        yield server


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A monitor from a folder with its code and nothing else: no `service.py`, no data, no model, no store."""
    folder = tmp_path_factory.mktemp("alone")
    for package in ("drift", "loan_default"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    variables = {**environment(folder / "state"), "PYTHONPATH": ""}
    with serving(["bentoml", "serve", "drift.service:DriftMonitor"], variables, folder, folder / "log") as monitor:
        yield monitor


def score(server: Server, applicants: list[Applicant]) -> None:
    with server.client() as client:
        for start in range(0, len(applicants), 500):
            answer = client.post("/predict", json={"applications": applicants[start : start + 500]})
            assert answer.status_code == 200


def richer(applicants: list[Applicant]) -> list[Applicant]:
    return [{**one, "bank_balance": one["bank_balance"] * 1.4} for one in applicants]


def verdict(server: Server) -> dict[str, Any]:
    with server.client() as client:
        answer = client.get("/api/v1/drift")
    return answer.json()["data"] if answer.status_code == 200 else {"status": answer.json()["error"]}


def wait_for(server: Server, status: str, samples: int = 0, within_s: float = 15) -> dict[str, Any]:
    """The verdict, as soon as it has this status and so many samples."""
    end = time.monotonic() + within_s
    while True:
        found = verdict(server)
        if found["status"] == status and found.get("window", {}).get("samples", 0) >= samples:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.1)


def wait_for_check(server: Server, samples: int) -> None:
    """Until the monitor has taken so many samples in all, and looked at them."""
    end = time.monotonic() + 15
    while server.metrics().get('loan_drift_samples_total{stage="production"}', 0) < samples:
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(2 * float(SAMPLED["DRIFT_CHECK_INTERVAL_S"]))


def test_other_applicants_raise_an_alarm_and_the_usual_ones_clear_it(
    watched: Server, applicants: list[Applicant]
) -> None:
    score(watched, applicants[:1_000])
    quiet = wait_for(watched, "quiet", 1_000)
    assert watched.metrics()['loan_model_drift_detected{stage="production"}'] == 0
    score(watched, richer(applicants[1_000:2_000]))
    found = wait_for(watched, "drift")
    assert found["columns"]["bank_balance"]["drifted"]
    assert not found["columns"]["employed"]["drifted"]
    assert found["since"] > quiet["since"]
    metrics = watched.metrics()
    assert metrics['loan_model_drift_detected{stage="production"}'] == 1
    assert metrics['loan_model_drift_psi{feature="bank_balance"}'] > 0.15
    assert metrics['loan_drift_window_samples{stage="production"}'] == 1_000
    assert time.time() - metrics['loan_drift_last_check_timestamp_seconds{stage="production"}'] < 10
    assert metrics['loan_drift_samples_total{stage="production"}'] == 2_000
    assert not any(n for name, n in metrics.items() if name.startswith("loan_drift_samples_dropped_total"))
    score(watched, applicants[2_000:3_500])
    wait_for_check(watched, 3_500)
    assert verdict(watched)["status"] == "drift"  # an alarm goes out when a quarter of the window more is quiet
    score(watched, applicants[3_500:4_000])
    wait_for(watched, "quiet")
    lines = [line for line in watched.lines() if line["message"].startswith("Drift: the applicants")]
    told = [(line["level"], line["drifted"]) for line in lines if "psi" in line]
    assert told[0][0] == "WARNING"
    assert set(told[0][1]) >= {"bank_balance", "PD"}
    assert told[-1] == ("INFO", [])


def test_a_killed_monitor_costs_no_prediction_and_comes_back_with_its_window(
    watched: Server, applicants: list[Applicant]
) -> None:
    score(watched, richer(applicants[:1_000]))
    before = wait_for(watched, "drift", 1_000)
    with constant_load(watched.url, [Question("/api/v1/predict", applicants[0])], callers=2, pause_s=0.05) as load:
        [monitor] = watched.drift_monitors()
        monitor.kill()
        assert verdict(watched)["status"] == "drift_unavailable"
        assert httpx.get(watched.url + "/readyz", timeout=2).status_code == 200
        after = wait_for(watched, "drift", 1_000, within_s=_BACK_WITHIN_S)
    assert load.failures == []
    assert len(load.answers) > 50
    assert after["since"] == before["since"]
    assert after["model_tag"] == before["model_tag"]
    for start in range(0, 6_000, 500):  # its workers may pause for up to 16 s between two attempts
        score(watched, applicants[start : start + 500])
        time.sleep(2)
    wait_for(watched, "quiet")


def test_a_hung_monitor_costs_no_prediction_and_no_readiness(watched: Server, applicants: list[Applicant]) -> None:
    score(watched, applicants[:500])
    wait_for(watched, "quiet", 500)
    [monitor] = watched.drift_monitors()
    monitor.send_signal(signal.SIGSTOP)
    try:
        with constant_load(watched.url, [Question("/api/v1/predict", applicants[0])], callers=2, pause_s=0.01) as load:
            started = time.monotonic()
            for _ in range(5):
                assert httpx.get(watched.url + "/readyz", timeout=2).status_code == 200
                time.sleep(0.5)
            assert verdict(watched)["status"] == "drift_unavailable"
            assert time.monotonic() - started < 10
        assert load.failures == []
        assert len(load.answers) > 100
        assert psutil.Process(monitor.pid).status() == psutil.STATUS_STOPPED
        assert watched.metrics()['loan_drift_samples_dropped_total{reason="unreachable"}'] > 0
    finally:
        monitor.send_signal(signal.SIGCONT)
    wait_for(watched, "quiet", 500)


def test_the_monitor_listens_to_nobody_outside(watched: Server) -> None:
    [monitor] = watched.drift_monitors()
    connections = monitor.net_connections("inet")
    # The server's own port, which BentoML's processes inherit, and which it does not answer.
    assert {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN} <= {httpx.URL(watched.url).port}
    sockets = {Path(str(c.laddr)) for c in monitor.net_connections("unix") if "bentoml-uds" in str(c.laddr)}
    assert sockets
    assert all(socket.parent.stat().st_mode & 0o077 == 0 for socket in sockets)
    assert httpx.post(watched.url + "/verdict", headers={"X-API-Key": KEY}, timeout=5).status_code == 404
    assert monitor.nice() > 0
    group = Path(f"/proc/{monitor.pid}/autogroup")
    assert not group.exists() or not group.read_text() or group.read_text().split()[-1] == "5"


def test_several_servers_may_share_a_monitor_that_stands_alone(
    installation: Installation, applicants: list[Applicant], tmp_path: Path
) -> None:
    copied = installation.copy(tmp_path / "state")
    alone = {**copied.environment, **SAMPLED, "BENTOML_HOME": str(tmp_path / "home")}
    with serving(["bentoml", "serve", "drift.service:DriftMonitor"], alone, ROOT, tmp_path / "log") as monitor:
        variables = {**copied.environment, **SAMPLED, "DRIFT_URL": monitor.url}
        with serving(SERVE, variables, ROOT, tmp_path / "log-1") as server:
            assert server.drift_monitors() == []
            score(server, richer(applicants[:1_000]))
            found = wait_for(server, "drift", 1_000)
            assert found["reference"]["kind"] == "training"
        shown = monitor.metrics()
        assert shown['loan_model_drift_detected{stage="production"}'] == 1
        assert shown['loan_drift_psi_threshold{stage="production"}'] == 0.15


def test_a_monitor_with_a_key_answers_those_who_have_it(
    installation: Installation, applicants: list[Applicant], tmp_path: Path
) -> None:
    copied = installation.copy(tmp_path / "state")
    secret = {**SAMPLED, "DRIFT_KEY": "a-secret-of-the-monitor"}
    alone = {**copied.environment, **secret, "BENTOML_HOME": str(tmp_path / "home")}
    with serving(["bentoml", "serve", "drift.service:DriftMonitor"], alone, ROOT, tmp_path / "log") as monitor:
        asked = {**copied.environment, **SAMPLED, "DRIFT_URL": monitor.url}
        with serving(SERVE, {**asked, "DRIFT_KEY": secret["DRIFT_KEY"]}, ROOT, tmp_path / "log-1") as server:
            score(server, richer(applicants[:1_000]))
            wait_for(server, "drift", 1_000)
        with serving(SERVE, {**asked, "DRIFT_KEY": "another-secret-of-somebody"}, ROOT, tmp_path / "log-2") as server:
            score(server, applicants[:1_000])
            assert verdict(server)["status"] == "drift_unavailable"
            end = time.monotonic() + 10
            while not server.logged("is DRIFT_KEY the same for both?"):
                assert time.monotonic() < end
                time.sleep(0.1)
        assert monitor.metrics()['loan_drift_samples_total{stage="production"}'] == 1_000
        assert secret["DRIFT_KEY"] not in monitor.log.read_text()


@pytest.mark.parametrize("types", PICKLES)
def test_no_pickle_runs_in_the_monitor_by_its_socket(watched_by_many: Server, types: list[str], tmp_path: Path) -> None:
    [monitor] = watched_by_many.drift_monitors()
    answered = 0
    # Its own, and that of the job worker, which BentoML's processes inherit.
    for path in {str(c.laddr) for c in monitor.net_connections("unix") if "bentoml-uds" in str(c.laddr)}:
        with httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://beside", timeout=30) as client:
            answered += client.post("/verdict", json={}).status_code == 200
            nothing_runs(client, types, tmp_path / "ran")
    assert answered == 1


@pytest.mark.parametrize("types", PICKLES)
def test_no_pickle_runs_in_a_monitor_that_stands_alone(alone: Server, types: list[str], tmp_path: Path) -> None:
    with httpx.Client(base_url=alone.url, timeout=30) as client:
        nothing_runs(client, types, tmp_path / "ran")


def nothing_runs(client: httpx.Client, types: list[str], mark: Path) -> None:
    content = pickle_that_leaves(mark)
    for call in ("observe", "introduce", "verdict", "report"):
        headers = [("Content-Type", each) for each in types]
        for more in ([], [("buffer-lengths", str(len(content)))]):
            client.post(f"/{call}", content=content, headers=[*headers, *more])
            assert not mark.exists(), call


def test_a_monitor_needs_nothing_beside_its_own_two_packages(alone: Server) -> None:
    for path in ("/livez", "/readyz", "/healthz"):
        assert httpx.get(alone.url + path, timeout=5).status_code == 200
    assert "loan_drift_window_samples" in httpx.get(alone.url + "/metrics", timeout=5).text
    answer = httpx.post(alone.url + "/verdict", json={}, timeout=5)
    assert answer.json()["status"] == "waiting"
    for path in ("/", "/schema.json", "/docs.json", "/static_content/index.html"):  # BentoML's own
        assert httpx.get(alone.url + path, timeout=5).status_code == 404


def test_without_a_monitor_there_is_no_process_and_the_call_says_why(
    installation: Installation, tmp_path: Path
) -> None:
    copied = installation.copy(tmp_path / "state")
    with serving(SERVE, {**copied.environment, "DRIFT_MONITOR": "off"}, ROOT, tmp_path / "log") as server:
        assert server.drift_monitors() == []
        answer = httpx.get(server.url + "/api/v1/drift", headers={"X-API-Key": KEY}, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (503, "drift_unavailable")
