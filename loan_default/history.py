"""What was in production when, and why: every promotion, refusal and rollback.

Events are tags of the registered model, so they live where the aliases live and every machine that shares the registry
reads the same history. A tag is written in one step and never changed.
"""

import getpass
import platform
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from loan_default.decision import Stored
from loan_default.served import REGISTERED_NAME
from loan_default.settings import Stage

_PREFIX = "history."
_LONGEST_REASON = 1000
_SHORT = 12  # digits of a checksum that tell it from all others here

Action = Literal["promoted", "rolled back", "refused"]


class Event(Stored):
    """One line of the history. `replaced` is the version that was promoted before; figures are out of fold."""

    at: datetime
    who: str
    action: Action
    stage: Stage
    version: str
    replaced: str | None = None
    reason: Annotated[str, Field(max_length=_LONGEST_REASON)]
    run_id: str
    data_sha256: str | None = None
    git_commit: str | None = None
    figures: dict[str, float] = Field(default_factory=dict)

    def __str__(self) -> str:
        instead = f" instead of {self.replaced}" if self.replaced not in {None, self.version} else ""
        return (
            f"{self.at:%Y-%m-%d %H:%M:%S} UTC, {self.who}: version {self.version} {self.action} "
            f"({self.stage}{instead}): {self.reason}"
        )

    @property
    def evidence(self) -> str:
        """The figures, and what the model was made of, in words; empty when nothing is known."""
        figures = ", ".join(f"{name} {value:.4f}" for name, value in self.figures.items())
        made_of = {"data": self.data_sha256, "commit": self.git_commit, "run": self.run_id}
        known = ", ".join(f"{name} {_shortened(value)}" for name, value in made_of.items() if value)
        return "; ".join(part for part in (figures, known) if part)


def new_event(action: Action, stage: Stage, version: str, reason: str, **more: Any) -> Event:
    """An event of this moment and this user."""
    at = datetime.now(UTC)
    return Event(at=at, who=_who(), action=action, stage=stage, version=version, reason=as_kept(reason), **more)


def as_kept(reason: str) -> str:
    """A reason as an event keeps it."""
    return reason[:_LONGEST_REASON]


def record(client: Any, event: Event) -> None:
    """Add an event; keys sort by time, and no two are alike."""
    key = f"{_PREFIX}{event.at:%Y%m%dT%H%M%S.%f}.{uuid.uuid4().hex[:8]}"
    client.set_registered_model_tag(REGISTERED_NAME, key, event.model_dump_json(exclude_none=True))


def read(client: Any) -> list[Event]:
    """All events, oldest first; what another version of this program wrote and this one cannot read is left out."""
    return [event for event in _read(client) if event is not None]


def unreadable(client: Any) -> int:
    """How many events another version wrote that this one cannot read."""
    return sum(event is None for event in _read(client))


def _read(client: Any) -> Iterator[Event | None]:
    """All events, oldest first; None for one that cannot be read."""
    found = client.search_registered_models(f"name = '{REGISTERED_NAME}'")
    tags = found[0].tags if found else {}
    for key in sorted(key for key in tags if key.startswith(_PREFIX)):
        try:
            yield Event.model_validate_json(tags[key])
        except ValidationError:
            yield None


def since_last_move(events: list[Event], stage: Stage) -> list[Event]:
    """The refusals of a stage since a version was last promoted to it or it was rolled back, oldest first."""
    of_stage = [event for event in events if event.stage == stage]
    moves = [i for i, event in enumerate(of_stage) if event.action != "refused"]
    return of_stage[moves[-1] + 1 :] if moves else of_stage


def before(events: list[Event], stage: Stage) -> str | None:
    """The version to go back to: promoted to `stage` before the present one, rollbacks taken into account."""
    stack: list[str] = []
    for event in events:
        if event.stage != stage or event.action == "refused":
            continue
        if event.action == "rolled back" and event.version in stack[:-1]:
            stack.pop()  # a version may be below itself: promoted, replaced, and promoted again
            while stack[-1] != event.version:
                stack.pop()
        elif not stack or stack[-1] != event.version:
            stack.append(event.version)
    return stack[-2] if len(stack) > 1 else None


def _shortened(checksum: str) -> str:
    """Its first digits, and `-dirty` where the code was not quite that of the commit."""
    digits, dash, remark = checksum.partition("-")
    return digits[:_SHORT] + dash + remark


def _who() -> str:
    try:
        return f"{getpass.getuser()}@{platform.node()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"unknown@{platform.node()}"
