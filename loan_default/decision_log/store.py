"""What every place to keep records can do, and how it says that it cannot."""

from collections.abc import Sequence
from typing import Literal, Protocol

from loan_default.decision_log.record import Line, Record

# Why a record is not kept; also the label in the metrics.
Reason = Literal["size_limit", "disk_full", "unwritable", "database", "overrun", "unrecordable", "shutdown"]


class StoreUnavailable(Exception):
    """Nothing can be written at present.

    Attributes:
        reason: why, in one word, for the metrics.
        explanation: why and what would help, for the log; nothing of an applicant, no password.
        written: how many of the lines, from the first, were kept all the same.
    """

    def __init__(self, reason: Reason, explanation: str, written: int = 0) -> None:
        super().__init__(explanation)
        self.reason = reason
        self.explanation = explanation
        self.written = written


class Store(Protocol):
    """Where the writer puts records; used from its thread alone."""

    @property
    def name(self) -> Literal["files", "postgres"]:
        """What it is, for the metrics."""

    def write(self, lines: Sequence[Line], *, durable: bool) -> None:
        """Keep these lines; with `durable`, a power cut afterwards does not lose them.

        Raises:
            StoreUnavailable: not all of them are kept; the same call may succeed later.
        """

    def expire(self) -> bool:
        """Remove some of what is older than the retention; whether there is more of it.

        Raises:
            StoreUnavailable: it could not be looked for.
        """

    def close(self) -> None:
        """Let go of files and connections."""


class Archive(Protocol):
    """Where a command looks records up and erases them, while writers write.

    All raise DecisionLogUnavailable when the place cannot be read or changed.
    """

    def find(self, decision_id: str) -> Record | None:
        """The record of a decision, if there is one."""

    def erase_decision(self, decision_id: str) -> int:
        """Erase the record of a decision for good; how many there were."""

    def erase_reference(self, reference: str) -> int:
        """Erase every record of a caller's reference, which is not empty, for good; how many there were."""
