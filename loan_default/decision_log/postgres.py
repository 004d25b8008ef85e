"""The decision log in Postgres, so that any machine finds what any other decided.

The record is the same JSON as in a file; what it is found by stands beside it. A connection is made when it is needed,
and made again after it broke; what was sent twice, because the answer to the first time got lost, is kept once.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal, Self

import msgspec
import psycopg
from pydantic import SecretStr

from loan_default.decision_log.database import Connection, Database, create_table, has_table
from loan_default.decision_log.record import Line, Record, decode_record
from loan_default.decision_log.store import Store, StoreUnavailable
from loan_default.errors import DecisionLogUnavailable

# All records in one text, a line each: a parameter for each would cost us ten times as much as making the record.
_INSERT: Final = """
INSERT INTO loan_default_decisions (id, time, reference, record)
SELECT (record->>'id')::uuid, (record->>'time')::timestamptz, record->>'reference', record
FROM (SELECT line::json AS record FROM unnest(string_to_array(%s, chr(10))) AS line) AS new
ON CONFLICT (id) DO NOTHING
"""
_MOST_EXPIRED: Final = 5_000
# One session at a time; the number is nobody else's.
_EXPIRE: Final = """
WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(5140936087281735102) AS ours)
DELETE FROM loan_default_decisions WHERE (SELECT ours FROM turn) AND id IN (
    SELECT id FROM loan_default_decisions WHERE time < now() - make_interval(days => %s) LIMIT %s
)
"""
_FIND: Final = "SELECT record::text FROM loan_default_decisions WHERE id = %s::text::uuid"
_ERASE_DECISION: Final = "DELETE FROM loan_default_decisions WHERE id = %s::text::uuid"
# The second condition is the index's.
_ERASE_REFERENCE: Final = "DELETE FROM loan_default_decisions WHERE reference = %s AND reference <> ''"

_FIRST_RETRY_S = 0.25
_LAST_RETRY_S = 5.0


class PostgresStore:
    """Writes to the database.

    `left_over` are files from before there was one: nothing is added to them, but what is too old in them is removed.
    """

    name: Literal["postgres"] = "postgres"

    def __init__(self, url: SecretStr, retention_days: int, left_over: Store) -> None:
        self._database = Database(url)
        self._retention_days = retention_days
        self._left_over = left_over
        self._connection: Connection | None = None
        self._retry_after_s = _FIRST_RETRY_S
        self._retry_at = 0.0
        self._why = ""

    def write(self, lines: Sequence[Line], *, durable: bool) -> None:  # noqa: ARG002  # a commit is durable
        """Insert the lines; see `Store`."""
        self._run(_INSERT, (b"\n".join([line.json for line in lines]).decode(),))

    def expire(self) -> bool:
        """Remove some of what is older than the retention; see `Store`."""
        more_in_files = self._left_over.expire()
        return self._run(_EXPIRE, (self._retention_days, _MOST_EXPIRED)) == _MOST_EXPIRED or more_in_files

    def close(self) -> None:
        """Close the connection."""
        self._disconnect()
        self._left_over.close()

    def _run(self, statement: str, parameters: Sequence[object]) -> int:
        """Run a statement, on a new connection if need be; returns the number of rows."""
        if time.monotonic() < self._retry_at:
            raise StoreUnavailable("database", self._why)
        was_open = self._connection is not None
        try:
            try:
                rows = self._run_once(statement, parameters)
            except psycopg.OperationalError:
                if not was_open:
                    raise
                self._disconnect()  # the database may have been restarted since the last time
                rows = self._run_once(statement, parameters)
        except psycopg.Error as error:
            self._why = self._database.explain(error)
            if isinstance(error, psycopg.OperationalError):  # the others are about this statement alone
                self._disconnect()
                self._retry_at = time.monotonic() + self._retry_after_s
                self._retry_after_s = min(2 * self._retry_after_s, _LAST_RETRY_S)
            elif isinstance(error, psycopg.errors.UndefinedTable):
                self._disconnect()  # it is made again with the next connection
            raise StoreUnavailable("database", self._why) from None  # its text may quote a record
        self._retry_after_s = _FIRST_RETRY_S
        return rows

    def _run_once(self, statement: str, parameters: Sequence[object]) -> int:
        if self._connection is None:
            self._connection = self._database.connect()
            create_table(self._connection)
        return self._connection.execute(statement.encode(), parameters).rowcount

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


class PostgresArchive:
    """Finds and erases in the database; see `Archive`. Connected within its `with` block."""

    def __init__(self, url: SecretStr) -> None:
        self._database = Database(url)

    def __enter__(self) -> Self:
        try:
            self._connection = self._database.connect()
            self._is_there = has_table(self._connection)
        except psycopg.Error as error:
            raise self._unavailable(error) from None
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(psycopg.Error):
            self._connection.close()

    def find(self, decision_id: str) -> Record | None:
        """The record of a decision; see `Archive`."""
        if not self._is_there:
            return None
        try:
            row = self._connection.execute(_FIND, (decision_id,)).fetchone()
        except psycopg.Error as error:
            raise self._unavailable(error) from None
        try:
            return None if row is None else decode_record(row[0])
        except msgspec.MsgspecError:
            raise DecisionLogUnavailable(
                f"The record of decision {decision_id} cannot be read by this version of loan-default."
            ) from None

    def erase_decision(self, decision_id: str) -> int:
        """Erase the record of a decision; see `Archive`."""
        return self._erase(_ERASE_DECISION, decision_id)

    def erase_reference(self, reference: str) -> int:
        """Erase every record of a reference; see `Archive`."""
        return self._erase(_ERASE_REFERENCE, reference)

    def _erase(self, statement: str, what: str) -> int:
        if not self._is_there:
            return 0
        try:
            return self._connection.execute(statement.encode(), (what,)).rowcount
        except psycopg.Error as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: psycopg.Error) -> DecisionLogUnavailable:
        return DecisionLogUnavailable(f"The database of DATABASE_URL cannot be used: {self._database.explain(error)}")
