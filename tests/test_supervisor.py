"""Circus is left alone outside of `bentoml serve`, and told its place within; `tests/e2e/test_keys.py` sees it done."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from loguru import logger

from loan_default.settings import Settings
from loan_default.supervisor import take_over


class Told:
    """Stands for Circus's Arbiter."""

    def __init__(self, watchers: list[Any], endpoint: str, pubsub_endpoint: str, **options: Any) -> None:
        self.told = (watchers, endpoint, pubsub_endpoint, options)

    def start(self) -> None:
        """Never called."""


@pytest.fixture
def arbiter(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Told]]:
    made = type("Arbiter", (Told,), {})
    monkeypatch.setitem(sys.modules, "circus.arbiter", type(sys)("circus.arbiter"))
    monkeypatch.setattr(sys.modules["circus.arbiter"], "Arbiter", made, raising=False)
    yield made
    logger.remove()


def addresses(arbiter: type[Told], settings: Settings, command: str) -> list[str]:
    with click.Context(click.Command(command), info_name=command):
        take_over(settings)
        take_over(settings)
    watchers, *told, options = arbiter(["w"], endpoint="tcp://x:1", pubsub_endpoint="tcp://x:2", debug=True).told
    assert (watchers, options) == (["w"], {"debug": True})
    return told


def test_a_program_that_only_reads_the_service_changes_nothing(arbiter: type[Told], settings: Settings) -> None:
    assert addresses(arbiter, settings, "build") == ["tcp://x:1", "tcp://x:2"]


def test_the_supervisors_commands_are_in_a_folder_of_its_owner_alone(arbiter: type[Told], settings: Settings) -> None:
    told = addresses(arbiter, settings, "serve")
    commands, events = (Path(address.removeprefix("ipc://")) for address in told)
    assert commands.parent == events.parent
    assert commands.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("contained", [True, False])
def test_only_in_a_container_a_dead_process_ends_the_server(
    arbiter: type[Told], settings: Settings, monkeypatch: pytest.MonkeyPatch, contained: bool
) -> None:
    monkeypatch.delenv("BENTOML_CONTAINERIZED", raising=False)
    if contained:
        monkeypatch.setenv("BENTOML_CONTAINERIZED", "true")
    addresses(arbiter, settings, "serve")
    assert hasattr(arbiter.start, "__wrapped__") == contained
