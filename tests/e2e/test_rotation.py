"""docs/operations/rotation.md, carried out as it stands while callers go on: no call is refused, the old is invalid."""

import os
import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from decisions import wait_for
from doc_blocks import blocks, run
from engines import running_postgres
from installation import ROOT, Installation, Server, serving
from load import Load, Question, constant_load
from redis_engine import redis_server

pytestmark = pytest.mark.e2e

PAGE = "operations/rotation.md"
SERVE = ["bentoml", "serve", "service:LoanDefault"]
QUESTIONS = [Question("/api/v1/predict", {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56})]
OLD, NEW = "the-old-key-of-all-branches", "the-new-key-of-all-branches"
CALL = "/api/v1/model/info"


class Caller:
    """Callers that can be moved to another key."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self) -> str:
        return self.key


def status(server: Server, key: str) -> int:
    return httpx.get(server.url + CALL, headers={"X-API-Key": key}, timeout=10).status_code


def answered(load: Load, more: int = 30) -> None:
    """Wait until so many more calls were answered."""
    enough = len(load.answers) + more
    wait_for(lambda: len(load.answers) > enough)


@pytest.fixture
def own(installation: Installation, tmp_path: Path) -> Installation:
    """An installation with whose keys nobody else calls."""
    copied = installation.copy(tmp_path / "state")
    for name in ("api_key", "api_keys"):
        (copied.state / name).unlink(missing_ok=True)
    return copied


def test_a_named_key(own: Installation, tmp_path: Path) -> None:
    variables = {**own.environment, "API_KEY": ""}
    old = run("loan-default key add analyst --scope score", tmp_path, variables).strip()
    add, revoke = blocks(PAGE, section="A named key")
    with serving(SERVE, variables, ROOT, tmp_path / "log") as server:
        callers = Caller(old)
        with constant_load(server.url, QUESTIONS, key=callers) as load:
            answered(load)
            new = run(add, tmp_path, variables).strip()
            wait_for(lambda: status(server, new) == 200)
            callers.key = new
            answered(load)
            run(revoke, tmp_path, variables)
            wait_for(lambda: status(server, old) == 403)
            answered(load)
        assert load.failures == []


def test_the_random_key_of_the_first_start(own: Installation, tmp_path: Path) -> None:
    variables = {**own.environment, "API_KEY": ""}
    name, revoke = blocks(PAGE, section="The random key of the first start")
    with serving(SERVE, variables, ROOT, tmp_path / "log") as server:
        first = (own.state / "api_key").read_text().strip()
        callers = Caller(first)
        with constant_load(server.url, QUESTIONS, key=callers) as load:
            answered(load)
            new = run(name, tmp_path, variables).strip()
            wait_for(lambda: status(server, new) == 200)
            answered(load)  # with the first key, which has a name now
            callers.key = new
            run(revoke, tmp_path, variables)
            wait_for(lambda: status(server, first) == 403)
            answered(load)
        assert load.failures == []
    assert (own.state / "api_keys").stat().st_mode & 0o077 == 0
    assert not (own.state / "api_key").exists()


def test_a_key_in_the_environment(own: Installation, tmp_path: Path) -> None:
    """Three servers one after the other, as a balancer would move the callers."""
    (block,) = blocks(PAGE, section="`API_KEY`")
    with ExitStack() as running:

        def start(keys: str) -> Server:
            variables = {**own.environment, "API_KEY": keys}
            return running.enter_context(serving(SERVE, variables, ROOT, tmp_path / f"log-{len(keys)}-{keys[:7]}"))

        first = start(OLD)
        with constant_load(first.url, QUESTIONS, key=lambda: OLD) as load:
            said = run(block, tmp_path, {**own.environment, "API_KEY": OLD})
            named = said.splitlines()[0]
            wait_for(lambda: status(first, named) == 200)
            answered(load)
        assert re.search(r"^branches +score", said, re.MULTILINE)
        assert "API_KEY" in said
        assert load.failures == []
        both = start(f"{OLD},{NEW}")
        assert [status(both, key) for key in (OLD, NEW, named)] == [200, 200, 200]
        new = start(NEW)
        assert [status(new, key) for key in (OLD, NEW, named)] == [403, 200, 200]


@pytest.mark.parametrize("decision_log", ["best-effort", "required"])
def test_the_password_of_postgres(own: Installation, tmp_path: Path, decision_log: str) -> None:
    (block,) = blocks(PAGE, section="The password of Postgres")
    new = "an0ther/s3cret"
    with running_postgres() as postgres, ExitStack() as running:
        old_url = postgres.url
        new_url = re.sub(r"//owner:[^@]+@", "//owner:an0ther%2Fs3cret@", old_url)
        libpq = psycopg.conninfo.conninfo_to_dict(old_url)
        client = {f"PG{name}": str(libpq[key]) for name, key in (("HOST", "host"), ("PORT", "port"), ("USER", "user"))}
        client |= {"PGPASSWORD": str(libpq["password"]), "PGDATABASE": str(libpq["dbname"]), "NEW_PASSWORD": new}

        def start(url: str, log: str) -> Server:
            variables = {**own.environment, "DATABASE_URL": url, "DECISION_LOG": decision_log}
            return running.enter_context(serving(SERVE, variables, ROOT, tmp_path / log))

        first = start(old_url, "log-old")
        with constant_load(first.url, QUESTIONS) as before:
            answered(before)
            run(block, tmp_path, {**own.environment, **client})
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(old_url)
            answered(before)
        second = start(new_url, "log-new")
        with constant_load(second.url, QUESTIONS) as after:
            assert first.stop() == 0
            answered(after)
        assert second.stop() == 0
        assert before.failures == after.failures == []
        with psycopg.connect(new_url) as connection:
            (kept,) = connection.execute("SELECT count(*) FROM loan_default_decisions").fetchone() or (0,)
        assert kept == len(before.answers) + len(after.answers)
        for log in ("log-old", "log-new"):
            assert "s3cret" not in (tmp_path / log).read_text()


def test_the_password_of_redis(own: Installation, tmp_path: Path) -> None:
    if shutil.which("redis-cli") is None:
        assert not os.environ.get("CI"), "CI must have redis-cli: apt-get install redis-tools"
        pytest.skip("redis-cli is not installed (apt-get install redis-tools)")
    add, remove = blocks(PAGE, section="The password of Redis")
    with redis_server(tmp_path, "old-password") as redis, ExitStack() as running:
        new_url = redis.url.replace("old-password", "new-password")
        client = {**own.environment, "NEW_PASSWORD": "new-password", "OLD_PASSWORD": "old-password"}
        # Where this Redis is; a page cannot know.
        to_ours = f"redis-cli -p {redis.port} "

        def start(url: str, log: str) -> Server:
            variables = {**own.environment, "REDIS_URL": url, "RATE_LIMIT_PER_MINUTE": "1000000"}
            return running.enter_context(serving(SERVE, variables, ROOT, tmp_path / log))

        first = start(redis.url, "log-old")
        with constant_load(first.url, QUESTIONS) as before:
            answered(before)
            said = run(add.replace("redis-cli ", to_ours), tmp_path, {**client, "REDISCLI_AUTH": "old-password"})
            assert "OK" in said
            answered(before)
        second = start(new_url, "log-new")
        with constant_load(second.url, QUESTIONS) as after:
            assert first.stop() == 0
            said = run(remove.replace("redis-cli ", to_ours), tmp_path, {**client, "REDISCLI_AUTH": "new-password"})
            assert "OK" in said
            answered(after)
        assert before.failures == after.failures == []
        assert second.metrics().get("loan_rate_limit_fallbacks_total", 0) == 0
        run("redis-cli ping | grep -q NOAUTH".replace("redis-cli ", to_ours), tmp_path, client)
