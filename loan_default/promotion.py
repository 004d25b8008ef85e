"""Which version is promoted: promote, roll back, refuse, and keep the history of it.

A promotion imports the version into the BentoML store, moves the MLflow alias in one step, then the pointer that
services follow, then writes the history. The alias is the truth: when a process was killed in between, or somebody
moved the alias in MLflow itself, the next command brings pointer and history in line (`settle`). One command at a time
promotes on a machine; services only ever see the old pointer or the new one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from loan_default import history
from loan_default.errors import ModelFileError, ModelUnavailable, PromotionRefused, SchemaError
from loan_default.history import Action, Event
from loan_default.model import LoanModel
from loan_default.registry import (
    Registered,
    aliased,
    client,
    import_into_bentoml,
    locked,
    registered_version,
    set_alias,
)
from loan_default.schema import load_schema
from loan_default.schema.changes import breaking
from loan_default.served import Served, point, pointed, unless_followed
from loan_default.settings import Settings, Stage

STAGES: tuple[Stage, ...] = ("production", "staging")
_SHOWN_CHANGES = 5


class Promotions:
    """Everything that may change what is promoted; get one from `promotions`, which holds the lock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def champion(self, stage: Stage) -> Served | None:
        """The promoted model of `stage`, in the BentoML store."""
        registered = aliased(self._settings, stage)
        return None if registered is None else import_into_bentoml(self._settings, registered)

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
            PromotionRefused: there was none, or the callers of a running service would break.
        """
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
        """Bring pointers and history in line with the aliases, which an interrupted command may have left behind."""
        for stage in STAGES:
            registered = aliased(self._settings, stage)
            if registered is None:
                continue
            served = import_into_bentoml(self._settings, registered)
            if self._pointed_tag(stage) != served.tag:
                point(self._settings, stage, served)
            last = self._last_version(stage)
            if last != registered.version:
                # Said to be what it looks like, so that repeating an interrupted rollback does not undo it.
                back = registered.version == history.before(self.history(), stage)
                reason = "found in place: an interrupted command, or an alias that was moved in MLflow itself"
                self._record("rolled back" if back else "promoted", stage, registered, reason, last)

    def _move(self, registered: Registered, stage: Stage, action: Action, reason: str) -> Served:
        served = import_into_bentoml(self._settings, registered)
        old = aliased(self._settings, stage)
        with unless_followed(self._settings, stage) as followed:
            if followed:
                _refuse_to_break_callers(self._settings, registered, stage, served)
            set_alias(self._settings, stage, registered)
            point(self._settings, stage, served)
        if old != registered or self._last_version(stage) != registered.version:
            self._record(action, stage, registered, reason, None if old is None else old.version)
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


_FIGURES = ("roc_auc", "pr_auc", "brier", "log_loss", "calibration_error", "recall", "f1", "accuracy")


@contextmanager
def promotions(settings: Settings) -> Iterator[Promotions]:
    """The right to promote on this machine, with whatever was interrupted before put in order."""
    with locked(settings.state / "served" / ".promotion.lock"):
        desk = Promotions(settings)
        desk.settle()
        yield desk


def told_history(settings: Settings) -> list[str]:
    """The history line by line; empty before anything was registered."""
    return [str(event) for event in history.read(client(settings))]


def _refuse_to_break_callers(settings: Settings, registered: Registered, stage: Stage, new: Served) -> None:
    try:
        old = load_schema(pointed(settings, stage).model_folder / "schema.json")
    except (ModelUnavailable, SchemaError):
        return  # the running service has no model that anybody could call
    broken = breaking(old, load_schema(new.model_folder / "schema.json"))
    if broken:
        shown = [*map(str, broken[:_SHOWN_CHANGES])]
        more = [f"and {len(broken) - len(shown)} more"] if len(broken) > len(shown) else []
        raise PromotionRefused(
            f"Version {registered.version} was not promoted to {stage}: a service is running, and its callers would "
            f"break ({'; '.join(shown + more)}). Tell the callers, stop the service, promote the version, and start it."
        )
