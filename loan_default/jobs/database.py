"""The queue's database, as DBOS keeps it: SQLite in STATE_DIR, or Postgres by DATABASE_URL in a schema of its own.

Heavy imports happen when a database is first asked, not when this module is: online scoring does without them.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final

from loan_default.errors import JobsUnavailable, SettingsError
from loan_default.settings import Settings

if TYPE_CHECKING:
    from dbos import DBOSClient

APPLICATION: Final = "loan-default"
# Of how a job is kept. Workers take up jobs of their own format only, whatever the version of this package.
JOB_FORMAT: Final = "job-format-1"
QUEUE: Final = "bulk"
WORKFLOW: Final = "score_portfolio"
SCHEMA: Final = "loan_default_jobs"

# A database that does not answer must be noticed soon; an address may say otherwise.
_PATIENCE: Final = {
    "connect_timeout": "2",
    "tcp_user_timeout": "5000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}


class JobDatabase:
    """Where the queue is, and a connection to it that is made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._client: DBOSClient | None = None

    def url(self) -> str:
        """Its address as SQLAlchemy takes it; it may hold a password. Raises SettingsError when it is none."""
        from sqlalchemy import URL, make_url
        from sqlalchemy.exc import ArgumentError

        if self._settings.database_url is None:
            _require_sqlite(sys.version_info[:2], sqlite3.sqlite_version_info[:2])
            self._settings.jobs.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = str(self._settings.jobs / "jobs.sqlite")
            return URL.create("sqlite", database=path).render_as_string(hide_password=False)
        try:
            url = make_url(self._settings.database_url.get_secret_value())
        except (ArgumentError, ValueError):  # their text quotes the address
            raise SettingsError("DATABASE_URL is no address: postgresql://USER:PASSWORD@HOST/NAME.") from None
        if not url.database:
            raise SettingsError("DATABASE_URL names no database: postgresql://USER:PASSWORD@HOST/NAME.")
        return (
            url.set(drivername="postgresql").set(query={**_PATIENCE, **url.query}).render_as_string(hide_password=False)
        )

    def client(self) -> "DBOSClient":
        """DBOS's client, shared by threads; makes the tables first. Raises what `reachable` turns into our errors."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> "DBOSClient":
        from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer

        url = self.url()
        DBOS.migrate(url, schema=SCHEMA)
        return DBOSClient(
            system_database_url=url,
            dbos_system_schema=SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,  # a caller would rather hear of it than wait
            lazy=True,
        )

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            if self._client is not None:
                self._client.destroy()
                self._client = None


def _require_sqlite(python: tuple[int, int], sqlite: tuple[int, int]) -> None:
    """Refuse an SQLite without `unixepoch('subsec')`, which DBOS asks for where Python is 3.12 or later."""
    if python >= (3, 12) and sqlite < (3, 42):
        raise SettingsError(
            f"Bulk jobs need SQLite 3.42 or later with Python 3.12, and this is {sqlite[0]}.{sqlite[1]}: "
            "use Python 3.11, or Postgres by DATABASE_URL."
        )


@contextmanager
def reachable() -> Iterator[None]:
    """Turn the ways in which a database or a disk does not answer into JobsUnavailable."""
    import psycopg
    from dbos import error as dbos
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except OSError as error:
        raise JobsUnavailable(
            f"The storage of jobs cannot be used: {error.strerror or type(error).__name__}."
        ) from error
    except (SQLAlchemyError, psycopg.Error, dbos.DBOSException) as error:  # their text may quote an address
        if getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise JobsUnavailable("The disk with the database of jobs is full; try again later.") from error
        raise JobsUnavailable(
            f"The database of jobs cannot be used ({type(error).__name__}); try again soon."
        ) from error
