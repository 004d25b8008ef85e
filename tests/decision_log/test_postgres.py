"""The decision log in a real Postgres: any process finds what any other decided, through restarts and hangs."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from decisions import Answers, decide, decided_at, lines, logged, wait_for
from engines import PASSWORD, Postgres, running_postgres
from installation import ROOT
from pydantic import SecretStr

from loan_default.decision_log import Decided, DecisionLog, open_decision_log, postgres
from loan_default.decision_log.archive import open_archive
from loan_default.decision_log.files import FileStore
from loan_default.decision_log.ids import new_decision_id
from loan_default.decision_log.postgres import PostgresStore
from loan_default.decision_log.segments import decisions_folder, segments
from loan_default.decision_log.store import StoreUnavailable
from loan_default.errors import DecisionLogUnavailable, SettingsError
from loan_default.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def engine() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def server(engine: Postgres) -> Postgres:
    """A database without our table."""
    engine.query("DROP TABLE IF EXISTS loan_default_decisions")
    return engine


@pytest.fixture
def settings(settings: Settings, server: Postgres) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(server.url)})


@pytest.fixture
def store(settings: Settings) -> Iterator[PostgresStore]:
    made = new_store(settings)
    yield made
    made.close()


def new_store(settings: Settings, retention_days: int = 800) -> PostgresStore:
    assert settings.database_url is not None
    files = FileStore(decisions_folder(settings), most_bytes=2**30, retention_days=retention_days)
    return PostgresStore(settings.database_url, retention_days, files)


def are_kept(settings: Settings, decided: Sequence[Decided]) -> bool:
    with open_archive(settings) as archive:
        return all(archive.find(one.decision_id) for one in decided)


async def required(log: DecisionLog, answers: Answers) -> str:
    decided = decide(answers)
    await log.append_required([decided])
    return decided.decision_id


def test_any_process_finds_what_another_decided(settings: Settings, answers: Answers) -> None:
    decided = decide(answers, reference="loan 17 \0\u2028 ž")
    log = open_decision_log(settings)
    log.append(decided)
    log.close()
    elsewhere = settings.model_copy(update={"state_dir": settings.state_dir / "another machine"})
    with open_archive(elsewhere) as archive:
        found = archive.find(decided.decision_id)
    assert found is not None
    assert (found.probability, list(found.inputs.values())) == (decided.pd, decided.features)
    assert found.reference == "loan 17 \u2028 ž"
    assert not decisions_folder(settings).exists()


def test_a_required_record_is_there_when_the_wait_is_over(settings: Settings, answers: Answers) -> None:
    log = open_decision_log(settings)
    decision_id = asyncio.run(required(log, answers))
    with open_archive(settings) as archive:
        assert archive.find(decision_id) is not None
    log.close()


def test_several_that_start_at_once_make_one_table(settings: Settings, answers: Answers, server: Postgres) -> None:
    stores = [new_store(settings) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda store: store.write(lines([decide(answers)]), durable=True), stores))
    for store in stores:
        store.close()
    assert server.query("SELECT count(*) FROM loan_default_decisions") == [(8,)]


def test_what_is_sent_twice_is_kept_once(store: PostgresStore, answers: Answers, server: Postgres) -> None:
    once = lines([decide(answers)])
    store.write(once, durable=True)
    store.write([*once, *lines([decide(answers)])], durable=True)
    assert server.query("SELECT count(*) FROM loan_default_decisions") == [(2,)]


def test_a_restart_loses_nothing_that_was_appended(settings: Settings, answers: Answers, server: Postgres) -> None:
    decided = [decide(answers) for _ in range(90)]
    log = open_decision_log(settings)
    with logged() as messages:
        for one in decided[:30]:
            log.append(one)
        wait_for(lambda: are_kept(settings, decided[:30]))
        server.stop()
        for one in decided[30:60]:
            log.append(one)
        wait_for(lambda: messages)
        server.start()
        for one in decided[60:]:
            log.append(one)
        wait_for(lambda: are_kept(settings, decided))
    log.close()
    assert [("cannot be written" in message, "written again" in message) for message in messages] == [
        (True, False),
        (False, True),
    ]
    assert not any(secret in message for secret in (PASSWORD, "s3cret") for message in messages)


def test_a_restart_between_two_writes_is_not_even_noticed(
    store: PostgresStore, answers: Answers, server: Postgres
) -> None:
    store.write(lines([decide(answers)]), durable=True)
    server.stop()
    server.start()
    store.write(lines([decide(answers)]), durable=True)
    assert server.query("SELECT count(*) FROM loan_default_decisions") == [(2,)]


def test_required_refuses_quickly_while_it_is_down_and_recovers(
    settings: Settings, answers: Answers, server: Postgres
) -> None:
    log = open_decision_log(settings)
    asyncio.run(required(log, answers))
    server.stop()
    try:
        for _ in range(3):
            started = time.monotonic()
            with pytest.raises(DecisionLogUnavailable):
                asyncio.run(required(log, answers))
            assert time.monotonic() - started < 1.5
    finally:
        server.start()

    def answers_again() -> bool:
        try:
            return bool(asyncio.run(required(log, answers)))
        except DecisionLogUnavailable:
            return False

    wait_for(answers_again)
    log.close()


def test_required_waits_no_longer_than_stated_while_it_hangs(
    settings: Settings, answers: Answers, server: Postgres
) -> None:
    log = open_decision_log(settings)
    asyncio.run(required(log, answers))
    server.freeze()
    try:
        started = time.monotonic()
        with pytest.raises(DecisionLogUnavailable, match="longer than 2 s"):
            asyncio.run(required(log, answers))
        assert time.monotonic() - started < 4
        with pytest.raises(DecisionLogUnavailable, match="timeout"), open_archive(settings):
            pass
    finally:
        server.thaw()
    log.close()


def test_what_is_older_than_the_retention_is_removed_here_and_in_files(
    settings: Settings, answers: Answers, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_MOST_EXPIRED", 2)
    now = datetime.now(UTC)
    ages = [1, 9, 11, 12, 400]
    store = new_store(settings, retention_days=10)
    decided = [decide(answers, at=(now - timedelta(days=age)).timestamp()) for age in ages]
    store.write(lines(decided), durable=True)
    files = FileStore(decisions_folder(settings), most_bytes=2**30, retention_days=10)
    files.write(lines([decided_at(answers, 0)]), durable=True)
    assert [store.expire(), store.expire()] == [True, False]
    store.close()
    assert server.query("SELECT count(*) FROM loan_default_decisions") == [(2,)]
    assert list(segments(decisions_folder(settings))) == []


def test_erasing_reaches_the_database_and_the_files(
    settings: Settings, store: PostgresStore, answers: Answers, server: Postgres
) -> None:
    decided = [decide(answers, reference=reference) for reference in ("mine", "mine", "", "theirs")]
    store.write(lines(decided[:1] + decided[2:]), durable=True)
    FileStore(decisions_folder(settings), most_bytes=2**30, retention_days=800).write(lines(decided[1:2]), durable=True)
    with open_archive(settings) as archive:
        assert archive.find(decided[1].decision_id) is not None
        assert archive.erase_reference("mine") == 2
        assert archive.erase_decision(decided[3].decision_id) == 1
        assert [archive.find(one.decision_id) is not None for one in decided] == [False, False, True, False]
    assert server.query("SELECT count(*) FROM loan_default_decisions") == [(1,)]


def test_looking_up_makes_no_table(settings: Settings, server: Postgres) -> None:
    with open_archive(settings) as archive:
        assert archive.find(new_decision_id()) is None
        assert archive.erase_reference("x") == 0
    assert server.query("SELECT to_regclass('loan_default_decisions')") == [(None,)]


def test_the_query_of_the_page_answers(store: PostgresStore, answers: Answers, server: Postgres) -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "decision-log.md").read_text(), flags=re.DOTALL)
    store.write(lines([decide(answers), decide(answers, pd=0.875)]), durable=True)
    assert [row[1:] for row in server.query(query)] == [("0.875", "7")]


def test_a_record_of_another_version_is_told(
    settings: Settings, store: PostgresStore, answers: Answers, server: Postgres
) -> None:
    decided = decide(answers)
    store.write(lines([decided]), durable=True)
    server.query("""UPDATE loan_default_decisions SET record = '{"format": 2}'""")
    with open_archive(settings) as archive, pytest.raises(DecisionLogUnavailable, match="this version"):
        archive.find(decided.decision_id)


def test_a_role_that_may_only_insert_is_enough_when_the_table_is_there(
    settings: Settings, store: PostgresStore, answers: Answers, server: Postgres
) -> None:
    store.write(lines([decide(answers)]), durable=True)
    server.query("DROP ROLE IF EXISTS writer")
    server.query("CREATE ROLE writer LOGIN PASSWORD 'other'")
    server.query("GRANT SELECT, INSERT ON loan_default_decisions TO writer")
    url = SecretStr(f"postgresql://writer:other@127.0.0.1:{server.port}/postgres")
    settings = settings.model_copy(update={"database_url": url})
    decided = decide(answers)
    with logged() as messages:
        log = open_decision_log(settings)
        log.append(decided)
        wait_for(lambda: messages)
        log.close()
    assert are_kept(settings, [decided])
    assert "too old cannot be removed: the database refused (InsufficientPrivilege 42501)" in messages[0]
    with open_archive(settings) as archive, pytest.raises(DecisionLogUnavailable, match="InsufficientPrivilege"):
        archive.erase_decision(decided.decision_id)
    server.query("REVOKE ALL ON loan_default_decisions FROM writer")


def test_a_table_that_goes_away_is_made_again(store: PostgresStore, answers: Answers, server: Postgres) -> None:
    store.write(lines([decide(answers)]), durable=True)
    server.query("DROP TABLE loan_default_decisions")
    with pytest.raises(StoreUnavailable, match="UndefinedTable"):
        store.write(lines([decide(answers)]), durable=True)
    store.write(lines([decide(answers)]), durable=True)
    assert server.query("SELECT count(*) FROM loan_default_decisions") == [(1,)]


def test_what_the_database_says_is_told_without_a_record(
    store: PostgresStore, answers: Answers, server: Postgres
) -> None:
    """Postgres quotes the row that it refuses."""
    store.write(lines([decide(answers)]), durable=True)
    server.query("ALTER TABLE loan_default_decisions ADD CHECK (reference <> 'Jane Doe')")
    with pytest.raises(StoreUnavailable) as refused:
        store.write(lines([decide(answers, reference="Jane Doe")]), durable=True)
    assert refused.value.explanation == "the database refused (CheckViolation 23514)"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("password", ["wrong-one", "s3cret"])
def test_a_wrong_password_is_told_without_it(settings: Settings, server: Postgres, password: str) -> None:
    url = SecretStr(f"postgresql://owner:{password}@127.0.0.1:{server.port}/postgres")
    with (
        pytest.raises(DecisionLogUnavailable, match="password authentication failed") as refused,
        open_archive(settings.model_copy(update={"database_url": url})),
    ):
        pass
    assert password not in refused.value.message


def test_an_address_that_is_none_is_refused_without_its_text(settings: Settings) -> None:
    url = SecretStr("postgresql://owner:100%secret@127.0.0.1/postgres")
    with pytest.raises(SettingsError) as refused:
        open_decision_log(settings.model_copy(update={"database_url": url}))
    assert "secret" not in refused.value.message
    assert "percent-encoded" in refused.value.message
