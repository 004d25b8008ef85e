"""The death of a real process is seen, said, and ends the supervisor; one that hangs then is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from loan_default import deathwatch
from loan_default.deathwatch import Deathwatch


@dataclass
class Kind:
    """As Circus knows processes of one kind."""

    name: str
    processes: dict[int, Any]


@dataclass
class Supervisor:
    """Stands for Circus's Arbiter: it notes that it was asked to stop."""

    kinds: list[Kind]
    stopping: bool = False
    asked: int = 0


@dataclass
class House:
    """A supervisor, two living processes, and a watch."""

    first: subprocess.Popen[bytes]
    second: subprocess.Popen[bytes]
    supervisor: Supervisor
    watch: Deathwatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Deathwatch(lambda: self.supervisor.kinds, lambda: self.supervisor.stopping, delay_s=0)


def sleeper(code: str = "import time; time.sleep(60)") -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.fixture
def house() -> Iterator[House]:
    first, second = sleeper(), sleeper()
    supervisor = Supervisor([Kind("service", {first.pid: first}), Kind("service_JobWorker", {second.pid: second})])

    def ask(*_: object) -> None:
        supervisor.asked += 1

    before = signal.signal(signal.SIGTERM, ask)
    yield House(first, second, supervisor)
    signal.signal(signal.SIGTERM, before)
    for process in (first, second):
        process.kill()
        process.wait()


def wait_without_reaping(process: subprocess.Popen[bytes]) -> None:
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_as_long_as_all_live_nothing_happens(house: House) -> None:
    house.watch.look()
    assert (house.watch.died, house.supervisor.asked) == (None, 0)


def test_a_killed_process_has_the_supervisor_stop_until_it_does(house: House, logged: list[str]) -> None:
    house.watch.look()
    house.second.kill()
    wait_without_reaping(house.second)
    house.watch.look()
    house.watch.look()
    assert house.watch.died == f"Process {house.second.pid} (service_JobWorker) was killed by SIGKILL"
    assert house.supervisor.asked == 2
    assert len(logged) == 1
    house.supervisor.stopping = True
    house.watch.look()
    assert house.supervisor.asked == 2


def test_one_that_circus_has_forgotten_already_is_missed(house: House) -> None:
    house.watch.look()
    house.first.kill()
    house.first.wait()
    house.supervisor.kinds[0].processes.clear()
    house.watch.look()
    assert house.watch.died == f"Process {house.first.pid} (service) ended"


def test_an_exit_code_is_told(house: House) -> None:
    failing = sleeper("raise SystemExit(3)")
    house.supervisor.kinds[0].processes[failing.pid] = failing
    wait_without_reaping(failing)
    house.watch.look()
    assert house.watch.died == f"Process {failing.pid} (service) ended with exit code 3"
    failing.wait()


def test_processes_that_end_because_the_server_stops_are_none_of_its_business(house: House) -> None:
    house.watch.look()
    house.supervisor.stopping = True
    house.first.kill()
    wait_without_reaping(house.first)
    house.watch.look()
    assert house.watch.died is None


def test_what_hangs_is_killed_when_the_time_is_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deathwatch, "MOST_SECONDS", -1.0)
    house.watch.look()
    house.first.kill()
    wait_without_reaping(house.first)
    house.watch.look()
    house.supervisor.stopping = True
    house.watch.look()
    assert house.second.wait(timeout=10) == -signal.SIGKILL
