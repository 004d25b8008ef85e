"""The desk where versions are promoted, for tests: what they do there, and what must agree afterwards."""

from pathlib import Path
from typing import Any

import pytest

from loan_default import history
from loan_default.errors import ModelUnavailable
from loan_default.model import LoanModel
from loan_default.promotion import promotions
from loan_default.registry import Registered, aliased
from loan_default.served import REGISTERED_NAME, Served, bento_tag, pointed
from loan_default.settings import Settings, Stage
from loan_default.tracking import client

SOURCE = Path("/nowhere/src")
CARDS = {"model_card.html": b"<p>A model.</p>", "model_card.md": b"A model."}


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


def promote(settings: Settings, version: Registered, stage: Stage = "production", reason: str = "good") -> Served:
    with promotions(settings) as desk:
        return desk.promote(version, stage, reason)


def rollback(settings: Settings, stage: Stage = "production", reason: str = "complaints") -> Served:
    with promotions(settings) as desk:
        return desk.rollback(stage, reason)


def settle(settings: Settings) -> None:
    with promotions(settings):
        pass


def told(settings: Settings) -> list[tuple[str, str, str]]:
    """Version, action and stage of each event."""
    return [(event.version, event.action, event.stage) for event in history.read(client(settings))]


def in_place(settings: Settings, stage: Stage = "production") -> str | None:
    """The promoted version; alias, pointer, store and history must agree on it."""
    registered = aliased(settings, stage)
    events = [event for event in history.read(client(settings)) if event.stage == stage and event.action != "refused"]
    if registered is None:
        assert not events
        with pytest.raises(ModelUnavailable):
            pointed(settings, stage)
        return None
    served = pointed(settings, stage)
    assert served.tag == bento_tag(registered.version, registered.run_id)
    assert LoanModel.load(served.model_folder).about.run_id == registered.run_id
    assert events[-1].version == registered.version
    return registered.version


def aliases(settings: Settings) -> dict[str, str]:
    found: dict[str, Any] = client(settings).get_registered_model(REGISTERED_NAME).aliases
    return {stage: str(version) for stage, version in found.items()}
