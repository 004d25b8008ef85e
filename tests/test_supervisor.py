"""Circus is left alone outside of `bentoml serve`, and told its place within; `tests/e2e/test_keys.py` sees it done."""

import sys
from pathlib import Path
from typing import Any

import click
import pytest

from loan_default.supervisor import keep_commands_private


class Told:
    """Stands for Circus's Arbiter."""

    def __init__(self, watchers: list[Any], endpoint: str, pubsub_endpoint: str, **options: Any) -> None:
        self.told = (watchers, endpoint, pubsub_endpoint, options)


@pytest.fixture
def arbiter(monkeypatch: pytest.MonkeyPatch) -> type[Told]:
    made = type("Arbiter", (Told,), {})
    monkeypatch.setitem(sys.modules, "circus.arbiter", type(sys)("circus.arbiter"))
    monkeypatch.setattr(sys.modules["circus.arbiter"], "Arbiter", made, raising=False)
    return made


def addresses(arbiter: type[Told], command: str) -> list[str]:
    with click.Context(click.Command(command), info_name=command):
        keep_commands_private()
        keep_commands_private()
    watchers, *told, options = arbiter(["w"], endpoint="tcp://x:1", pubsub_endpoint="tcp://x:2", debug=True).told
    assert (watchers, options) == (["w"], {"debug": True})
    return told


def test_a_program_that_only_reads_the_service_changes_nothing(arbiter: type[Told]) -> None:
    assert addresses(arbiter, "build") == ["tcp://x:1", "tcp://x:2"]


def test_the_supervisors_commands_are_in_a_folder_of_its_owner_alone(arbiter: type[Told]) -> None:
    commands, events = (Path(address.removeprefix("ipc://")) for address in addresses(arbiter, "serve"))
    assert commands.parent == events.parent
    assert commands.parent.stat().st_mode & 0o777 == 0o700
