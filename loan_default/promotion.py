"""Which version is promoted: promote, roll back, refuse, and keep the history of it.

A promotion imports the version into the BentoML store, moves the MLflow alias in one step, then the pointer that
services follow, then writes the history. The alias is the truth: when a process was killed in between, or somebody
moved the alias in MLflow itself, the next command brings pointer and history in line (`settle`), unless that would
break the callers of a running service; then the first command after it has stopped does. One command at a time promotes
on a machine; services only ever see the old pointer or the new one.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from loan_default import history
from loan_default.errors import ModelFileError, ModelUnavailable, PromotionRefused, SchemaError
from loan_default.history import Action, Event
from loan_default.locks import locked
from loan_default.model import LoanModel
from loan_default.registry import (
    Registered,
    aliased,
    import_into_bentoml,
    registered_version,
    set_alias,
)
from loan_default.schema import load_schema
from loan_default.schema.changes import breaking
from loan_default.served import Served, followers_schema, point, pointed, unless_followed
from loan_default.settings import Settings, Stage
from loan_default.tracking import client

STAGES: tuple[Stage, ...] = ("production", "staging")
_SHOWN_CHANGES = 5


class Promotions:
    """Everything that may change what is promoted; get one from `promotions`, which holds the lock."""

    def __init__(self, settings: Settings, warn: Callable[[str], None]) -> None:
        self._settings = settings
        self._warn = warn

    def champion(self, stage: Stage) -> Served | None:
        """The promoted model of `stage`, in the BentoML store: what its services answer with."""
        if aliased(self._settings, stage) is None or self._pointed_tag(stage) is None:
            return None  # never promoted, or the alias is held back for a Bento that began with its own model
        return pointed(self._settings, stage)

    def promote(self, registered: Registered, stage: Stage, reason: str) -> Served:
        """Make a registered version the model of `stage`; safe to repeat and to interrupt.

        Returns:
            The model as it stands in the BentoML store.

        Raises:
            PromotionRefused: a service that follows the stage is running, and its callers would break.
        """
        return self._move(registered, stage, "promoted", reason)

    def rollback(self, stage: Stage, reason: str) -> Served:
        """Go back to the version that was promoted before the present one.

        Raises:
            PromotionRefused: there was none, nobody can tell which, or the callers of a running service would break.
        """
        if history.unreadable(client(self._settings)):
            raise PromotionRefused(
                "The history has events of another version of loan-default, so this one cannot tell what was promoted "
                "before: name the version, with `loan-default promote`."
            )
        version = history.before(self.history(), stage)
        if version is None:
            raise PromotionRefused(f"The history knows no version that was promoted to {stage} before the present one.")
        return self._move(registered_version(self._settings, version), stage, "rolled back", reason)

    def refuse(self, registered: Registered, stage: Stage, reason: str) -> None:
        """Write down that a version was not promoted, and why."""
        self._record("refused", stage, registered, reason, None)

    def history(self) -> list[Event]:
        """Every promotion, refusal and rollback, oldest first."""
        return history.read(client(self._settings))

    def settle(self) -> None:
        """Bring pointers and history in line with the aliases, which an interrupted command may have left behind.

        Where that would break the callers of a running service, the pointer stays: each command warns of it, and the
        history has it once.
        """
        for stage in STAGES:
            registered = aliased(self._settings, stage)
            if registered is not None:
                self._follow(registered, stage)

    def _follow(self, registered: Registered, stage: Stage) -> None:
        served = import_into_bentoml(self._settings, registered)
        if self._pointed_tag(stage) != served.tag:
            with unless_followed(self._settings, stage) as followed:
                broken = _broken_callers(self._settings, stage, served) if followed else None
                if broken:
                    self._hold_back(registered, stage, broken)
                    return
                point(self._settings, stage, served)
        last = self._last_version(stage)
        if last != registered.version:
            # Said to be what it looks like, so that repeating an interrupted rollback does not undo it.
            back = registered.version == history.before(self.history(), stage)
            reason = f"found in place: {_NOT_BY_A_COMMAND}"
            self._record("rolled back" if back else "promoted", stage, registered, reason, last)

    def _hold_back(self, registered: Registered, stage: Stage, broken: str) -> None:
        """Say that the alias is not followed for now; the history is told once, until something else is promoted."""
        back = ""
        stays = "the model of their own"  # of a Bento, when nothing was ever promoted
        if self._pointed_tag(stage) is not None:
            stays = f"version {pointed(self._settings, stage).version}"
            back = f" Or promote {stays} to move the alias back."
        reason = (
            f"The alias {stage} names version {registered.version} ({_NOT_BY_A_COMMAND}), but services stay with "
            f"{stays}: {broken}. Tell the callers and stop the service: the next command follows the alias.{back}"
        )
        self._warn(reason)
        written = history.as_kept(reason)
        known = history.since_last_move(self.history(), stage)
        if not any(event.version == registered.version and event.reason == written for event in known):
            self.refuse(registered, stage, reason)

    def _move(self, registered: Registered, stage: Stage, action: Action, reason: str) -> Served:
        served = import_into_bentoml(self._settings, registered)
        old = aliased(self._settings, stage)
        with unless_followed(self._settings, stage) as followed:
            broken = _broken_callers(self._settings, stage, served) if followed else None
            if broken:
                raise PromotionRefused(
                    f"Version {registered.version} was not promoted to {stage}: {broken}. Tell the callers, stop the "
                    "service, promote the version, and start it."
                )
            set_alias(self._settings, stage, registered)
            point(self._settings, stage, served)
        last = self._last_version(stage)  # what was served, even where the alias named a version that was held back
        if old != registered or last != registered.version:
            self._record(action, stage, registered, reason, last)
        return served

    def _record(self, action: Action, stage: Stage, registered: Registered, reason: str, replaced: str | None) -> None:
        about = self._about(registered)
        event = history.new_event(
            action, stage, registered.version, reason, replaced=replaced, run_id=registered.run_id, **about
        )
        history.record(client(self._settings), event)

    def _about(self, registered: Registered) -> dict[str, Any]:
        try:
            about = LoanModel.load(import_into_bentoml(self._settings, registered).model_folder).about
        except ModelFileError:  # a history with a gap is better than a rollback that fails
            return {}
        figures = {name: about.metrics[f"oof_{name}"] for name in _FIGURES if f"oof_{name}" in about.metrics}
        return {"data_sha256": about.data_sha256, "git_commit": about.git_commit, "figures": figures}

    def _last_version(self, stage: Stage) -> str | None:
        events = [event for event in self.history() if event.stage == stage and event.action != "refused"]
        return events[-1].version if events else None

    def _pointed_tag(self, stage: Stage) -> str | None:
        try:
            return pointed(self._settings, stage).tag
        except ModelUnavailable:
            return None


_NOT_BY_A_COMMAND = "an interrupted command, or an alias that was moved in MLflow itself"
_FIGURES = ("roc_auc", "pr_auc", "brier", "log_loss", "calibration_error", "recall", "f1", "accuracy")


def _on_standard_error(text: str) -> None:
    sys.stderr.write(f"Warning: {text}\n")


@contextmanager
def promotions(settings: Settings, warn: Callable[[str], None] = _on_standard_error) -> Iterator[Promotions]:
    """The right to promote on this machine, with whatever was interrupted before put in order.

    Args:
        settings: whose stores and folders count.
        warn: is told when an alias cannot be followed, in sentences.
    """
    with locked(settings.state / "served" / ".promotion.lock"):
        desk = Promotions(settings, warn)
        desk.settle()
        yield desk


def told_history(settings: Settings) -> list[str]:
    """The history line by line; empty before anything was registered."""
    return [str(event) for event in history.read(client(settings))]


def _broken_callers(settings: Settings, stage: Stage, new: Served) -> str | None:
    """What callers of the running service could no longer send, in words; None when they can go on."""
    try:
        old = load_schema(followers_schema(settings, stage))
    except (ModelUnavailable, SchemaError):
        return None  # the running service has no model that anybody could call
    broken = breaking(old, load_schema(new.model_folder / "schema.json"))
    if not broken:
        return None
    shown = [*map(str, broken[:_SHOWN_CHANGES])]
    more = [f"and {len(broken) - len(shown)} more"] if len(broken) > len(shown) else []
    return f"a service is running, and its callers would break ({'; '.join(shown + more)})"
