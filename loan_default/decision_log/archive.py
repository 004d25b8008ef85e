"""Every place where an installation may have recorded decisions, at once: to look one up, to erase for good."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from loan_default.decision_log.file_archive import FileArchive
from loan_default.decision_log.record import Record, storable
from loan_default.decision_log.segments import decisions_folder
from loan_default.decision_log.store import Archive
from loan_default.settings import Settings


class Archives:
    """Several archives as one; raises what they raise."""

    def __init__(self, places: list[Archive]) -> None:
        self._places = places

    def find(self, decision_id: str) -> Record | None:
        """The record of a decision, from the first place that has it."""
        return next((record for place in self._places if (record := place.find(decision_id)) is not None), None)

    def erase_decision(self, decision_id: str) -> int:
        """Erase the record of a decision in all places; how many there were."""
        return sum(place.erase_decision(decision_id) for place in self._places)

    def erase_reference(self, reference: str) -> int:
        """Erase every record of a reference in all places; how many there were."""
        kept = storable(reference)
        return sum(place.erase_reference(kept) for place in self._places)


@contextmanager
def open_archive(settings: Settings) -> Iterator[Archives]:
    """The database when there is one, and the files: they may be older than the setting of a database.

    Raises:
        SettingsError: DATABASE_URL is no address of a Postgres database.
        DecisionLogUnavailable: the database does not answer.
    """
    places: list[Archive] = []
    with ExitStack() as stack:
        if settings.database_url is not None:
            from loan_default.decision_log.postgres import PostgresArchive  # psycopg only where there is a database

            places.append(stack.enter_context(PostgresArchive(settings.database_url)))
        places.append(FileArchive(decisions_folder(settings)))
        yield Archives(places)
