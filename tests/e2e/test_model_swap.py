"""Another model under load, taken up by every worker of a running server, and what is refused. Keys likewise."""

import http.client
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from decisions import wait_for
from installation import KEY, ROOT, Installation, Server, serving
from load import Load, Question, constant_load
from models import put_in_production

from loan_default.model import LoanModel
from loan_default.served import Served, find_served, point
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

SERVE = ["bentoml", "serve", "service:LoanDefault"]
INFO = "/api/v1/model/info"
RELOAD = "/api/v1/model/reload"
APPLICANTS = [
    {"employed": n % 2, "bank_balance": 1000.5 * n, "annual_salary": 100_000 + 7777.7 * n} for n in range(1, 31)
]
QUESTIONS = [Question("/api/v1/predict", one) for one in APPLICANTS]
QUESTIONS += [Question("/predict", {"applications": APPLICANTS[n : n + 3]}) for n in range(0, 30, 3)]


@pytest.fixture(scope="module")
def two(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Two versions in an installation of its own, the first in production, and nobody served yet."""
    copy = installation.copy(tmp_path_factory.mktemp("two") / "state")
    for command in ((sys.executable, "train.py", "--seed", "1"), ("loan-default", "promote", "1")):
        done = copy.run(*command)
        assert done.returncode == 0, done.stderr
    return copy


@pytest.fixture(scope="module")
def watched(two: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers that look for another model every half a second."""
    variables = {**two.environment, "WORKERS": "2", "MODEL_WATCH_S": "0.5", "FAILED_KEYS_PER_MINUTE": "0"}
    with serving(SERVE, variables, ROOT, tmp_path_factory.mktemp("watched") / "log") as server:
        wait_for(lambda: len(server.logged("Serving ")) == 2)
        yield server


def settings_of(installation: Installation) -> Settings:
    return Settings(_env_file=None, state_dir=installation.state)


def models_of(installation: Installation) -> dict[str, LoanModel]:
    """Every version in the store, loaded directly."""
    store = settings_of(installation).bentoml_store / "models" / "loan_default"
    found = [Served(f"loan_default:{folder.name}", folder) for folder in store.iterdir() if folder.is_dir()]
    return {served.version: LoanModel.load(served.model_folder) for served in found}


def direct_answers(installation: Installation) -> dict[str, dict[str, float]]:
    """By version and applicant: the probability as the model itself has it."""
    answers = {}
    for version, model in models_of(installation).items():
        rows = np.array([[one[name] for name in model.schema.column_names] for one in APPLICANTS])
        pds = model.pd(rows)
        answers[version] = {json.dumps(one): float(pd) for one, pd in zip(APPLICANTS, pds, strict=True)}
    return answers


def predictions(load: Load) -> list[tuple[str, dict[str, Any]]]:
    """Each applicant that was asked about, with the answer, from both faces."""
    found = []
    for question, answer in load.answers:
        if "data" in answer:
            found.append((json.dumps(question.body), answer["data"]))
        else:
            found += zip(map(json.dumps, question.body["applications"]), answer, strict=True)
    return found


def wrong_answers(load: Load, direct: dict[str, dict[str, float]]) -> list[Any]:
    """Those whose probability is not, to the last bit, that of the version they name."""
    return [
        (asked, answer)
        for asked, answer in predictions(load)
        if answer["probability"] != direct[answer["model_version"]][asked]
    ]


def take_up(server: Server, version: str, before: int = 0) -> bool:
    """Whether both workers said that they answer with this version, more often than so many times."""
    return len(set(server.logged(f"(version {version}, production)")[before:])) == 2


def served_versions(server: Server) -> list[str]:
    """The versions that `loan_model_info` shows as answering."""
    found = [name for name, value in server.metrics().items() if name.startswith("loan_model_info{") and value == 1]
    return [name.partition('version="')[2].partition('"')[0] for name in found]


@contextmanager
def to_each_worker(server: Server) -> Iterator[list[http.client.HTTPConnection]]:
    """A kept-alive connection to each worker."""
    found: dict[int, http.client.HTTPConnection] = {}
    port = int(server.url.rpartition(":")[2])
    with ExitStack() as all_of_them:

        def connect() -> bool:
            opened = all_of_them.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)))
            opened.request("GET", "/healthz")
            opened.getresponse().read()
            if opened.sock is not None:  # else it was closed after the answer, as happens now and then
                ours = opened.sock.getsockname()[1]
                for worker in server.workers():
                    if any(other.raddr and other.raddr.port == ours for other in worker.net_connections("tcp")):
                        found.setdefault(worker.pid, opened)
            return len(found) == 2

        wait_for(connect)
        yield list(found.values())


def test_a_promotion_and_a_rollback_reach_every_worker_without_a_failed_or_mixed_answer(
    two: Installation, watched: Server
) -> None:
    direct = direct_answers(two)
    with constant_load(watched.url, QUESTIONS) as load:
        wait_for(lambda: len(load.answers) > 50)
        before = len(watched.logged("(version 1, production)"))
        assert two.run("loan-default", "promote", "2").returncode == 0
        wait_for(lambda: take_up(watched, "2"))
        assert served_versions(watched) == ["2"]
        seen = len(load.answers)
        wait_for(lambda: len(load.answers) > seen + 50)
        since_promoted = {answer["model_version"] for _, answer in predictions(Load(load.answers[seen + 20 :]))}
        assert two.run("loan-default", "rollback").returncode == 0
        wait_for(lambda: take_up(watched, "1", before))
        assert served_versions(watched) == ["1"]
    assert load.failures == []
    assert wrong_answers(load, direct) == []
    assert since_promoted == {"2"}
    assert {answer["model_version"] for _, answer in predictions(load)} == {"1", "2"}


def test_a_model_that_is_broken_or_would_break_callers_is_refused_once_and_the_present_one_goes_on(
    two: Installation, watched: Server, credit_model: LoanModel
) -> None:
    settings = settings_of(two)
    present = find_served(settings, ROOT)
    direct = direct_answers(two)
    try:
        with constant_load(watched.url, QUESTIONS) as load:
            altered = Served("loan_default:3-altered", present.folder.with_name("3-altered"))
            shutil.copytree(present.folder, altered.folder)
            booster = bytearray((altered.model_folder / "booster.ubj").read_bytes())
            booster[len(booster) // 2] ^= 1
            (altered.model_folder / "booster.ubj").write_bytes(booster)
            point(settings, "production", altered)
            wait_for(lambda: len(watched.logged("The newly promoted model is not taken up")) == 2)
            another = put_in_production(settings, credit_model, "4")  # by hand: `promote` would refuse
            wait_for(lambda: len(watched.logged("would break callers of the running service")) == 2)
            seen = len(load.answers)
            wait_for(lambda: len(load.answers) > seen + 200)  # several looks later
            answer = httpx.post(watched.url + RELOAD, headers={"X-API-Key": KEY})
        refused = watched.logged("The newly promoted model is not taken up")
        assert sorted(refused) == sorted([worker.pid for worker in watched.workers()] * 2)  # each once for each
        assert (answer.status_code, answer.json()["error"]) == (409, "model_refused")
        assert load.failures == []
        assert wrong_answers(load, direct) == []
        assert served_versions(watched) == ["1"]
        assert watched.metrics()['loan_model_taken_up_total{outcome="refused"}'] >= 4
    finally:
        point(settings, "production", present)
        for served in (altered, another):
            shutil.rmtree(served.folder)


def test_every_worker_takes_up_a_new_key_and_drops_a_revoked_one(two: Installation, watched: Server) -> None:
    key = two.run("loan-default", "key", "add", "newcomer").stdout.strip()
    assert len(key) > 20

    def statuses() -> list[int]:
        found = []
        for worker in workers:
            worker.request("GET", INFO, headers={"X-API-Key": key})
            answer = worker.getresponse()
            answer.read()
            found.append(answer.status)
        return found

    with to_each_worker(watched) as workers:
        wait_for(lambda: statuses() == [200, 200])
        assert two.run("loan-default", "key", "revoke", "newcomer").returncode == 0
        # The first worker to drop it may see more of it than an address may send of wrong keys.
        wait_for(lambda: set(statuses()) <= {403, 429})


def test_without_the_watch_a_reload_reaches_every_worker_and_needs_its_scope(two: Installation, tmp_path: Path) -> None:
    unwatched = two.copy(tmp_path / "state")
    score = unwatched.run("loan-default", "key", "add", "scorer", "--scope", "score").stdout.strip()
    operate = unwatched.run("loan-default", "key", "add", "operator", "--scope", "operate").stdout.strip()
    variables = {**unwatched.environment, "WORKERS": "2", "MODEL_WATCH_S": "0"}
    with serving(SERVE, variables, ROOT, tmp_path / "log") as server:
        wait_for(lambda: len(server.logged("Serving ")) == 2)
        with constant_load(server.url, QUESTIONS) as load:
            assert unwatched.run("loan-default", "promote", "2").returncode == 0
            refused = httpx.post(server.url + RELOAD, headers={"X-API-Key": score})
            assert (refused.status_code, refused.json()["error"]) == (403, "missing_scope")
            assert served_versions(server) == ["1"]
            done = httpx.post(server.url + RELOAD, headers={"X-API-Key": operate})
            assert (done.status_code, done.json()["data"]["version"]) == (200, "2")
            wait_for(lambda: take_up(server, "2"))
    assert load.failures == []
    assert wrong_answers(load, direct_answers(unwatched)) == []
