"""A real `bentoml serve` process over real HTTP, checked against the model loaded directly."""

import asyncio
import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import bentoml
import httpx
import numpy as np
import pytest
from decisions import wait_for
from installation import KEY, ROOT, Installation, Server, environment, free_port, serving
from load import Question, constant_load
from prometheus_client.parser import text_string_to_metric_families

from loan_default.api.native import MAX_LIST_BYTES
from loan_default.model import LoanModel
from loan_default.served import find_served
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}


@pytest.fixture(scope="module")
def model(installation: Installation) -> LoanModel:
    settings = Settings(_env_file=None, state_dir=installation.state)
    return LoanModel.load(find_served(settings, ROOT).model_folder)


def random_applicants(count: int) -> list[dict[str, float]]:
    generator = np.random.default_rng(1)
    return [
        {
            "employed": int(generator.integers(2)),
            "bank_balance": float(generator.uniform(0, 32_000)),
            "annual_salary": float(generator.uniform(10_000, 900_000)),
        }
        for _ in range(count)
    ]


def direct(model: LoanModel, applicants: list[dict[str, float]]) -> list[float]:
    rows = np.array([[applicant[name] for name in model.schema.column_names] for applicant in applicants])
    return [float(pd) for pd in model.pd(rows)]


def test_concurrent_callers_each_get_the_models_own_answer_to_the_last_bit(server: Server, model: LoanModel) -> None:
    applicants = random_applicants(500)

    async def all_of_them() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=32)
        async with httpx.AsyncClient(
            base_url=server.url, headers={"X-API-Key": KEY}, limits=limits, timeout=60
        ) as client:
            return await asyncio.gather(*(client.post("/api/v1/predict", json=one) for one in applicants))

    answers = [answer.json()["data"]["probability"] for answer in asyncio.run(all_of_them())]
    assert answers == direct(model, applicants)


def test_the_native_face_answers_the_same(server: Server, model: LoanModel) -> None:
    applicants = random_applicants(20)
    with server.client() as client:
        answer = client.post("/predict", json={"applications": applicants})
    assert [one["probability"] for one in answer.json()] == direct(model, applicants)


def test_bentomls_own_client_works_with_the_key_as_its_token(server: Server, model: LoanModel) -> None:
    with bentoml.SyncHTTPClient(server.url, token=KEY) as client:
        answers = client.predict(applications=[APPLICANT])
    assert answers[0]["probability"] == direct(model, [APPLICANT])[0]


def test_a_bad_request_disturbs_nobody_in_its_batch(server: Server, model: LoanModel) -> None:
    applicants = random_applicants(40)
    bad = {**APPLICANT, "employed": 7}

    good, wrong = asyncio.run(_mixed(server, applicants, bad))
    assert [answer.json()[0]["probability"] for answer in good] == direct(model, applicants)
    assert [answer.json()[0]["details"][0]["field"] for answer in wrong] == ["employed"] * 10


async def _mixed(
    server: Server, applicants: list[dict[str, float]], bad: dict[str, float]
) -> tuple[list[httpx.Response], list[httpx.Response]]:
    async with httpx.AsyncClient(base_url=server.url, headers={"X-API-Key": KEY}) as client:
        good = asyncio.gather(*(client.post("/predict", json={"applications": [one]}) for one in applicants))
        wrong = asyncio.gather(*(client.post("/predict", json={"applications": [bad]}) for _ in range(10)))
        return list(await good), list(await wrong)


def test_a_bad_row_of_a_list_answers_for_itself(server: Server, model: LoanModel) -> None:
    bad = {**APPLICANT, "employed": 7}
    with bentoml.SyncHTTPClient(server.url, token=KEY) as client:
        first, second, third, fourth = client.predict(applications=[APPLICANT, bad, {}, APPLICANT])
    assert first["probability"] == fourth["probability"] == direct(model, [APPLICANT])[0]
    assert second["error"] == third["error"] == "invalid_applicant"
    assert second["message"] == "employed: must be an integer from 0 to 1."
    assert [detail["field"] for detail in third["details"]] == list(APPLICANT)


@pytest.mark.parametrize("applications", [[], "none", {"0": APPLICANT}, [APPLICANT] * 1001])
def test_the_native_face_refuses_bad_lists_in_bentomls_own_shape(server: Server, applications: object) -> None:
    with server.client() as client:
        answer = client.post("/predict", json={"applications": applications})
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_the_native_face_reads_no_oversized_body_and_no_pickle(server: Server) -> None:
    def unannounced() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 1_000_000

    with server.client() as client:
        as_json = {"content-type": "application/json"}
        large = client.post("/predict", content=b" " * (MAX_LIST_BYTES + 1), headers=as_json)
        pickled = client.post("/predict", content=b"x", headers={"content-type": "application/vnd.bentoml+pickle"})
        chunked = client.post("/predict", content=unannounced(), headers=as_json)
    assert (large.status_code, chunked.status_code, pickled.status_code) == (413, 413, 415)
    assert "larger than" in large.text


def test_keys_are_asked_for_on_both_faces_and_the_schema(server: Server) -> None:
    with server.client(key=None) as client:
        for method, path in (
            ("POST", "/predict"),
            ("GET", "/schema.json"),
            ("GET", "/docs.json"),
            ("GET", "/openapi.json"),
        ):
            assert client.request(method, path).status_code == 401
            assert client.request(method, path, headers={"X-API-Key": "wrong"}).status_code == 403
        for path in ("/healthz", "/livez", "/readyz", "/metrics"):
            assert client.get(path).status_code == 200


def test_the_documentation_names_fields_and_limits(server: Server) -> None:
    with server.client() as client:
        described = json.dumps(client.get("/docs.json").json())
    assert "What the applicant owes on the credit card" in described
    assert '"exclusiveMinimum": 0' in described


def test_metrics_add_up_over_the_workers_and_hide_bentomls_own(server: Server) -> None:
    def samples() -> dict[str, float]:
        with server.client(key=None) as client:
            families = list(text_string_to_metric_families(client.get("/metrics").text))
        return {
            sample.name + json.dumps(sample.labels, sort_keys=True): sample.value
            for family in families
            for sample in family.samples
        }

    before = samples()
    for _ in range(30):
        with server.client() as client:  # a connection each, so that both workers get some
            assert client.post("/api/v1/predict", json=APPLICANT).status_code == 200
    after = samples()
    name = 'loan_predictions_total{"face": "rest"}'
    assert after[name] - before.get(name, 0) == 30
    assert not [key for key in after if key.startswith("bentoml_")]
    # The supervisor, two workers, one for jobs, the drift monitor.
    assert sum(key.startswith("process_resident_memory_bytes") for key in after) == 5


def test_the_log_is_json_with_request_ids_and_without_applicants_or_keys(server: Server) -> None:
    with server.client() as client:
        client.post(
            "/api/v1/predict", json={**APPLICANT, "bank_balance": -4242.125}, headers={"X-Request-ID": "find-me"}
        )
        client.post("/predict", json={"applications": [{**APPLICANT, "employed": 987654}]})
        client.get("/api/v1/model/info", headers={"X-API-Key": "a-key-nobody-may-see"})
    time.sleep(0.5)
    log = server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [(line["status"], line["route"]) for line in lines if line.get("request_id") == "find-me"] == [
        (422, "/api/v1/predict")
    ]
    for secret in ("4242.125", "987654", "8754.36", KEY, "a-key-nobody-may-see"):
        assert secret not in log


def test_a_killed_worker_comes_back_the_other_answers_and_no_count_is_lost(
    installation: Installation, tmp_path: Path
) -> None:
    variables = {**installation.environment, "WORKERS": "2"}
    counted = 'loan_predictions_total{face="rest"}'
    with serving(["bentoml", "serve", "."], variables, ROOT, tmp_path / "log") as server:
        wait_for(lambda: len(server.logged("Serving ")) == 2)
        _predict(server, 40)
        first, second = server.workers()
        first.kill()
        first.wait(timeout=10)
        _predict(server, 40)
        assert server.metrics()[counted] == 80
        # The kernel says so only then, and BentoML looks every ten seconds.
        wait_for(lambda: len(set(server.logged("Serving "))) == 3, within_s=60)
        third = next(worker for worker in server.workers() if worker.pid != second.pid)
        _predict(server, 40)
        metrics = server.metrics()
        beside = {process.pid for process in (*server.job_workers(), *server.drift_monitors())}
    assert metrics[counted] == metrics['loan_http_requests_total{method="POST",route="/api/v1/predict",status="200"}']
    assert metrics[counted] == sum(value for name, value in metrics.items() if "loan_prediction_result_total{" in name)
    assert metrics[counted] == 120
    assert [value for name, value in metrics.items() if name.startswith("loan_model_info{")] == [1]
    living = {server.process.pid, second.pid, third.pid, *beside}
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"):
        assert {sample for sample in metrics if sample.startswith(name)} == {f'{name}{{pid="{pid}"}}' for pid in living}


@pytest.mark.parametrize("victim", ["worker", "drift monitor"])
def test_in_a_container_a_killed_process_ends_the_server_in_good_order(
    installation: Installation, tmp_path: Path, victim: str
) -> None:
    contained = {"WORKERS": "2", "BENTOML_CONTAINERIZED": "1", "SHUTDOWN_DELAY_S": "2"}
    variables = {**installation.copy(tmp_path / "state").environment, **contained}
    with serving(["bentoml", "serve", "."], variables, ROOT, tmp_path / "log") as server:
        wait_for(lambda: len(server.logged("Serving ")) == 2, within_s=60)
        pick = {"worker": server.workers, "drift monitor": server.drift_monitors}
        pick[victim]()[0].kill()
        wait_for(lambda: _status(server, "/readyz") == 503)
        _predict(server, 5)  # during the delay
        assert server.process.wait(timeout=25) == 1
    assert [line["level"] for line in server.lines() if "was killed by SIGKILL" in line["message"]] == ["ERROR"]


def _status(server: Server, path: str) -> int:
    return httpx.get(server.url + path, timeout=10).status_code


def _predict(server: Server, times: int) -> None:
    """So many predictions, on a connection each, so that every worker gets some."""
    for _ in range(times):
        with server.client() as client:
            assert client.post("/api/v1/predict", json=APPLICANT).status_code == 200


def test_connections_that_were_all_given_to_one_worker_end_up_on_both(server: Server) -> None:
    """The kernel may do that to connections opened together; a kept-alive one never changes hands by itself."""
    busy, idle = server.workers()
    idle.suspend()  # so that the other one takes them all
    try:
        with constant_load(server.url, [Question("/api/v1/predict", APPLICANT)], callers=12, pause_s=0) as load:
            wait_for(lambda: len(load.answers) > 100)
            idle.resume()
            wait_for(lambda: _share_of_cpu(server, idle.pid, busy.pid) > 0.25)
    finally:
        idle.resume()
    assert load.failures == []


def _share_of_cpu(server: Server, one: int, other: int) -> float:
    """The part of the two workers' work that one of them does, over half a second."""

    def used() -> tuple[float, float]:
        metrics = server.metrics()
        mine, others = (metrics[f'process_cpu_seconds_total{{pid="{pid}"}}'] for pid in (one, other))
        return mine, others

    before = used()
    time.sleep(0.5)
    mine, others = (after - start for after, start in zip(used(), before, strict=True))
    return mine / (mine + others)


def test_without_a_model_it_starts_lives_and_says_what_to_do(tmp_path: Path) -> None:
    command = ["bentoml", "serve", "service:LoanDefault"]
    with serving(command, environment(tmp_path / "state"), ROOT, tmp_path / "log", ready=False) as server:
        with server.client() as client:
            ready = client.get("/readyz")
            native = client.post("/predict", json={"applications": [APPLICANT]})
        assert (ready.status_code, native.status_code) == (503, 503)
        assert "make train" in ready.json()["message"]
        assert "make train" in server.log.read_text()


def test_a_wrong_setting_ends_the_start_with_its_name_and_what_is_allowed(tmp_path: Path) -> None:
    fresh = Installation(tmp_path)
    done = fresh.run("bentoml", "serve", "service:LoanDefault", MODEL_STAGE="canary")
    assert done.returncode != 0
    assert "MODEL_STAGE: Input should be 'production' or 'staging'" in done.stdout + done.stderr


def test_without_bentoml_home_it_still_finds_what_was_trained(installation: Installation, tmp_path: Path) -> None:
    variables = {**installation.environment, "HOME": str(tmp_path)}
    del variables["BENTOML_HOME"]
    with serving(["bentoml", "serve", "service:LoanDefault"], variables, ROOT, tmp_path / "log") as server:
        assert httpx.get(server.url + "/readyz").json()["status"] == "ready"


def test_the_random_key_is_named_in_the_log_by_its_file_only(installation: Installation, tmp_path: Path) -> None:
    variables = {name: value for name, value in installation.environment.items() if name != "API_KEY"}
    with serving(["bentoml", "serve", "service:LoanDefault"], variables, ROOT, tmp_path / "log") as server:
        file = installation.state / "api_key"
        key = file.read_text().strip()
        with server.client(key) as client:
            assert client.post("/api/v1/predict", json=APPLICANT).status_code == 200
        log = server.log.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(file) in log
    assert key not in log


def test_serving_imports_no_training_library(installation: Installation) -> None:
    printed = installation.python(
        "import sys, service\n"
        "heavy = ('mlflow', 'imblearn', 'evidently', 'matplotlib')\n"
        "print('xgboost' in sys.modules)\n"
        "service._online.load()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert printed.splitlines()[-2:] == ["False", "[]"]  # the supervisor, which never loads a model, stays small


def test_make_serve_trains_when_there_is_no_model_then_serves(tmp_path: Path) -> None:
    variables = environment(tmp_path / "state")
    variables["PORT"] = str(free_port())
    with serving(["loan-default", "serve"], variables, ROOT, tmp_path / "log", port=int(variables["PORT"])) as server:
        assert "Promoted to production" in server.log.read_text()
        assert server.stop() == 0
