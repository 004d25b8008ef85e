"""Connections to the decision log's database: short waits, no password in any message, the table when it is absent."""

from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from loan_default.errors import SettingsError

# A database that does not answer must be noticed soon; an address may say otherwise.
_PATIENCE: Final = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "loan-default",
}
_STATEMENT_TIMEOUT: Final = "SET statement_timeout = '5s'"
_TABLE_IS_THERE: Final = "SELECT to_regclass('loan_default_decisions') IS NOT NULL"
# Creating the same table in two sessions at once fails, so they take turns; any number does that nobody else uses.
_TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock(5140936087281735101)"
_CREATE: Final = """
CREATE TABLE IF NOT EXISTS loan_default_decisions (
    id uuid PRIMARY KEY, time timestamptz NOT NULL, reference text NOT NULL, record json NOT NULL
);
CREATE INDEX IF NOT EXISTS loan_default_decisions_time ON loan_default_decisions (time);
CREATE INDEX IF NOT EXISTS loan_default_decisions_reference ON loan_default_decisions (reference)
    WHERE reference <> '';
"""

Connection = psycopg.Connection[tuple[Any, ...]]


class Database:
    """Where the decision log's table is."""

    def __init__(self, url: SecretStr) -> None:
        """Raises SettingsError when it is no address of a Postgres database; connects to nothing."""
        try:
            self._parameters: dict[str, Any] = {**_PATIENCE, **conninfo_to_dict(url.get_secret_value())}
        except psycopg.ProgrammingError:  # its text quotes the address
            raise SettingsError(
                "DATABASE_URL is no address of a Postgres database: postgresql://USER:PASSWORD@HOST/NAME, "
                "special characters percent-encoded."
            ) from None

    def connect(self) -> Connection:
        """A new connection, each statement a transaction of its own; raises psycopg.Error."""
        # No prepared statements: a pooler between us and the database may not know them.
        connection = psycopg.connect(**self._parameters, autocommit=True, prepare_threshold=None)
        connection.execute(_STATEMENT_TIMEOUT)
        return connection

    def explain(self, error: psycopg.Error) -> str:
        """What went wrong, without a password and without anything of a record."""
        kind = f"{type(error).__name__} {error.sqlstate or ''}".strip()
        if not isinstance(error, psycopg.OperationalError):
            return f"the database refused ({kind})"  # its text may quote a record
        text = " ".join(str(error).split())
        password = self._parameters.get("password")
        return f"{kind}: {text.replace(str(password), '***') if password else text}"


def has_table(connection: Connection) -> bool:
    """Whether the table is there."""
    (there,) = connection.execute(_TABLE_IS_THERE).fetchone() or (False,)
    return bool(there)


def create_table(connection: Connection) -> None:
    """Make the table when it is absent; safe when several start at once."""
    if not has_table(connection):  # a role that may only write finds a table that its owner made
        with connection.transaction():
            connection.execute(_TAKE_TURNS)
            connection.execute(_CREATE)
