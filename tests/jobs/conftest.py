"""What tests of jobs share: an opened queue, a worker in this process, and real Postgres."""

from collections.abc import Iterator

import pytest
from engines import Postgres, running_postgres
from pydantic import SecretStr

from loan_default.jobs.jobs import Jobs
from loan_default.jobs.worker import Worker
from loan_default.settings import Settings


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    """The jobs of an empty state folder."""
    with Jobs(settings) as opened:
        yield opened


@pytest.fixture
def worker(settings: Settings) -> Iterator[Worker]:
    """A worker of that folder."""
    started = Worker(settings)
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server of our own."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def each_engine(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """The settings for each engine that a queue may be in; Postgres with an empty queue."""
    if request.param == "sqlite":
        return settings
    server: Postgres = request.getfixturevalue("postgres")
    server.query("DROP SCHEMA IF EXISTS loan_default_jobs CASCADE")
    return settings.model_copy(update={"database_url": SecretStr(server.url)})
