"""What fails beside a running server, what callers and operators see of it, and that it recovers by itself.

docs/operations.md has the table of these.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
from decisions import wait_for
from engines import running_postgres
from installation import ROOT, Installation, Server, serving
from redis_engine import RedisServer

pytestmark = pytest.mark.e2e

SERVE = ["bentoml", "serve", "service:LoanDefault"]
APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
Broken = Callable[[Path], AbstractContextManager[None]]
UNWRITABLE = "Decision log: it cannot be written"
AGAIN = "Decision log: it is written again"


def predict(server: Server) -> httpx.Response:
    with server.client() as client:
        return client.post("/api/v1/predict", json=APPLICANT)


def metric(server: Server, name: str) -> float:
    return server.metrics().get(name, 0)


@contextmanager
def no_decisions(state: Path) -> Iterator[None]:
    """Nobody can write STATE_DIR/decisions, root included: there is a file in its place."""
    decisions = state / "decisions"
    shutil.rmtree(decisions, ignore_errors=True)
    decisions.write_text("not a folder")
    try:
        yield
    finally:
        decisions.unlink()


@contextmanager
def full_decisions(state: Path) -> Iterator[None]:
    """STATE_DIR/decisions is a disk that is full."""
    decisions = state / "decisions"
    decisions.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "small", decisions], check=False)
    if mounted.returncode:
        pytest.skip("a small disk takes the right to mount one")
    try:
        (decisions / "filler").write_bytes(bytes(4096))
        yield
        (decisions / "filler").unlink()
    finally:
        subprocess.run(["umount", "-l", decisions], check=True)


def test_without_redis_and_postgres_answers_go_on_and_both_are_taken_up_when_they_come(
    installation: Installation, tmp_path: Path
) -> None:
    state = installation.copy(tmp_path / "state")
    redis = RedisServer(tmp_path)
    with running_postgres() as postgres:
        postgres.stop()
        variables = {
            **state.environment,
            "REDIS_URL": redis.url,
            "RATE_LIMIT_PER_MINUTE": "100000",
            "DATABASE_URL": postgres.url,
        }
        with serving(SERVE, variables, ROOT, tmp_path / "log") as server:
            assert [predict(server).status_code for _ in range(20)] == [200] * 20
            assert metric(server, "loan_rate_limit_fallbacks_total") > 0
            wait_for(lambda: server.logged(UNWRITABLE))
            redis.start()
            postgres.start()
            wait_for(lambda: server.logged(AGAIN))
            wait_for(lambda: metric(server, 'loan_decision_log_written_total{store="postgres"}') == 20)
            wait_for(lambda: _counted_in_redis(server))
            redis.kill()
            postgres.stop()
            before = metric(server, "loan_rate_limit_fallbacks_total")
            assert [predict(server).status_code for _ in range(20)] == [200] * 20
            assert metric(server, "loan_rate_limit_fallbacks_total") > before
            wait_for(lambda: len(server.logged(UNWRITABLE)) == 2)  # once for each time that it was down
            assert len(server.logged("Redis does not answer")) == 2
            assert metric(server, 'loan_decision_log_write_failures_total{reason="database"}') > 0
            postgres.start()
            wait_for(lambda: len(server.logged(AGAIN)) == 2)
            answered = metric(server, 'loan_predictions_total{face="rest"}')
        records = postgres.query("SELECT count(*) FROM loan_default_decisions")
        assert records == [(answered,)]


def _counted_in_redis(server: Server) -> bool:
    before = metric(server, "loan_rate_limit_fallbacks_total")
    assert predict(server).status_code == 200
    return metric(server, "loan_rate_limit_fallbacks_total") == before


@pytest.mark.parametrize(("broken", "reason"), [(no_decisions, "unwritable"), (full_decisions, "disk_full")])
def test_best_effort_answers_without_a_decision_log_counts_and_says_so_once(
    installation: Installation, tmp_path: Path, broken: Broken, reason: str
) -> None:
    state = installation.copy(tmp_path / "state")
    with serving(SERVE, state.environment, ROOT, tmp_path / "log") as server:
        with broken(state.state):
            assert [predict(server).status_code for _ in range(20)] == [200] * 20
            failures = f'loan_decision_log_write_failures_total{{reason="{reason}"}}'
            wait_for(lambda: metric(server, failures) >= 2)  # tried again
            assert httpx.get(server.url + "/readyz").status_code == 200
            assert len(server.logged(UNWRITABLE)) == 1
        wait_for(lambda: server.logged(AGAIN))
        wait_for(lambda: metric(server, 'loan_decision_log_written_total{store="files"}') == 20)  # those that waited


def test_required_gives_no_answer_without_a_record_at_once_and_recovers(
    installation: Installation, tmp_path: Path
) -> None:
    state = installation.copy(tmp_path / "state")
    with serving(SERVE, {**state.environment, "DECISION_LOG": "required"}, ROOT, tmp_path / "log") as server:
        assert predict(server).status_code == 200
        with no_decisions(state.state):
            answers = [predict(server) for _ in range(5)]
            assert {answer.status_code for answer in answers} == {503}
            assert {answer.json()["error"] for answer in answers} == {"decision_log_unavailable"}
            with server.client() as client:
                native = client.post("/predict", json={"applications": [APPLICANT]})
            assert native.status_code == 503
            assert metric(server, "loan_decision_log_refused_total") == 6
            assert len(server.logged(UNWRITABLE)) == 1
        assert predict(server).status_code == 200
        assert server.logged(AGAIN)


def test_required_gives_no_answer_without_postgres_and_recovers(installation: Installation, tmp_path: Path) -> None:
    with running_postgres() as postgres:
        variables = {**installation.copy(tmp_path / "state").environment, "DATABASE_URL": postgres.url}
        with serving(SERVE, {**variables, "DECISION_LOG": "required"}, ROOT, tmp_path / "log") as server:
            assert predict(server).status_code == 200
            postgres.stop()
            refused = predict(server)
            assert (refused.status_code, refused.json()["error"]) == (503, "decision_log_unavailable")
            postgres.start()
            wait_for(lambda: predict(server).status_code == 200)


def test_a_corrupt_model_at_the_start_is_not_served_and_named(installation: Installation, tmp_path: Path) -> None:
    state = installation.copy(tmp_path / "state")
    (booster,) = (state.state / "bentoml" / "models").rglob("booster.ubj")
    content = bytearray(booster.read_bytes())
    content[len(content) // 2] ^= 1
    booster.write_bytes(content)
    with serving(SERVE, state.environment, ROOT, tmp_path / "log", ready=False) as server:
        ready, answer = httpx.get(server.url + "/readyz"), predict(server)
        assert (ready.status_code, answer.status_code) == (503, 503)
        for message in (ready.json()["message"], answer.json()["message"]):
            assert "booster.ubj" in message
        assert server.logged("Not ready: ")


def test_a_state_folder_that_cannot_be_written_to_is_served_from_with_a_configured_key(
    installation: Installation, tmp_path: Path
) -> None:
    state = installation.copy(tmp_path / "state")
    shutil.rmtree(state.state / "decisions", ignore_errors=True)
    home = Path(shutil.move(state.state / "bentoml", tmp_path / "home"))  # where BentoML writes while it runs
    folders = [state.state, *(path for path in state.state.rglob("*") if path.is_dir())]
    # Root may write anywhere, unless it gives up that right.
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    for folder in folders:
        folder.chmod(0o555)
    try:
        command = [*(drop if os.geteuid() == 0 else []), *SERVE]
        variables = {**state.environment, "BENTOML_HOME": str(home)}
        with serving(command, variables, ROOT, tmp_path / "log") as server:
            assert predict(server).status_code == 200
            wait_for(lambda: server.logged(UNWRITABLE))
            assert server.stop() == 0
            assert "Traceback" not in server.log.read_text()
    finally:
        for folder in folders:
            folder.chmod(0o755)
