"""The hot path's side of the decision log: take decisions without waiting, or wait until they are kept."""

import asyncio
import atexit
from collections.abc import Sequence

from loan_default import metrics
from loan_default.decision_log.files import FileStore
from loan_default.decision_log.group import Group
from loan_default.decision_log.record import Decided
from loan_default.decision_log.segments import decisions_folder
from loan_default.decision_log.store import Store
from loan_default.decision_log.writer import Writer
from loan_default.errors import DecisionLogUnavailable
from loan_default.settings import Settings

# How long a caller waits for its record at most, with DECISION_LOG=required.
REQUIRED_WAIT_S = 2.0


class DecisionLog:
    """Remembers decisions. Used from the event loop of one process; a thread of its own writes.

    Attributes:
        enabled: whether decisions are remembered at all.
        required: whether an answer must wait for its record: `append_required` before it, rather than `append` after.
    """

    def __init__(self, writer: Writer | None, *, required: bool) -> None:
        self._writer = writer
        self._open: Group | None = None
        self.enabled = writer is not None
        self.required = required

    def append(self, decided: Decided) -> None:
        """Remember a decision soon, or count it as dropped when there is no room; never waits, never fails."""
        if self._writer is not None:
            self._writer.append(decided)

    def append_required(self, decided: Sequence[Decided]) -> asyncio.Future[None]:
        """Remember decisions now: all calls of one turn of the event loop, and all that wait meanwhile, in one write.

        Returns:
            A future that is done when they are kept, a power cut survived, or that holds DecisionLogUnavailable, after
            `REQUIRED_WAIT_S` at the latest. When it was that wait, the record may be kept later all the same.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if self._writer is None or not decided:
            done.set_result(None)
        elif not self._writer.has_room_for(len(decided)):
            metrics.DECISIONS_REFUSED.inc(len(decided))
            done.set_exception(DecisionLogUnavailable("Too many decisions wait for the decision log; try again later."))
        else:
            self._group(loop).add(decided, done)
        return done

    def close(self) -> None:
        """Write what is waiting and stop; waits for that, at most a few seconds. Safe to call again."""
        if self._writer is not None:
            atexit.unregister(self.close)
            self._writer.close()

    def _group(self, loop: asyncio.AbstractEventLoop) -> Group:
        if self._open is None or self._open.loop is not loop:
            self._open = Group(loop)
            loop.call_soon(self._hand_over, self._open)
        return self._open

    def _hand_over(self, group: Group) -> None:
        if group is self._open:
            self._open = None
        if self._writer is not None:
            self._writer.append_group(group, REQUIRED_WAIT_S)


def open_decision_log(settings: Settings) -> DecisionLog:
    """Start remembering as the settings say. One for each process; what cannot be written is told by the log.

    Raises:
        SettingsError: DATABASE_URL is no address of a Postgres database.
    """
    if settings.decision_log == "off":
        return DecisionLog(None, required=False)
    writer = Writer(_store(settings))
    writer.start()
    log = DecisionLog(writer, required=settings.decision_log == "required")
    atexit.register(log.close)  # for an end without `close`
    return log


def _store(settings: Settings) -> Store:
    files = FileStore(
        decisions_folder(settings),
        most_bytes=settings.decision_log_max_mib * 2**20,
        retention_days=settings.decision_log_retention_days,
    )
    if settings.database_url is None:
        return files
    from loan_default.decision_log.postgres import PostgresStore  # psycopg only where there is a database

    return PostgresStore(settings.database_url, settings.decision_log_retention_days, left_over=files)
