"""Who is alive, and that a death is seen once."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from engines import Postgres
from installation import ROOT
from pydantic import SecretStr

from loan_default.jobs.liveness import FileLocks, Liveness, SessionLocks
from loan_default.settings import Settings

Opened = Callable[[str], Liveness]


@pytest.fixture
def opened(each_engine: Settings) -> Iterator[Opened]:
    """A worker's view of the locks, by its id."""
    made: list[Liveness] = []

    def open_for(executor_id: str) -> Liveness:
        url = each_engine.database_url
        folder = each_engine.jobs / "workers"
        made.append(FileLocks(folder, executor_id) if url is None else SessionLocks(url, executor_id))
        return made[-1]

    yield open_for
    for liveness in made:
        liveness.release()


def test_a_worker_lives_until_it_lets_go(opened: Opened) -> None:
    first, second = opened("first"), opened("second")
    assert (first.hold(), second.hold(), first.hold()) == (True, True, False)
    with second.dead("first") as dead:
        assert not dead
    first.release()
    with second.dead("first") as dead:
        assert dead


def test_two_do_not_see_the_same_death_at_once(opened: Opened) -> None:
    second, third = opened("second"), opened("third")
    second.hold()
    third.hold()
    with second.dead("first") as dead:
        assert dead
        with third.dead("first") as dead_too:
            assert not dead_too
    with third.dead("first") as dead:
        assert dead


def test_the_kernel_lets_go_for_a_worker_that_is_killed(settings: Settings) -> None:
    code = f"""
import os
from pathlib import Path
from loan_default.jobs.liveness import FileLocks
FileLocks(Path({str(settings.jobs)!r}), "first").hold()
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert (settings.jobs / "first").exists()
    with FileLocks(settings.jobs, "second").dead("first") as dead:
        assert dead
    assert not (settings.jobs / "first").exists()


def test_a_lock_that_was_lost_with_its_session_is_taken_again(postgres: Postgres) -> None:
    locks = SessionLocks(SecretStr(postgres.url), "first")
    locks.hold()
    postgres.stop()
    postgres.start()
    assert locks.hold()
    assert not locks.hold()
    locks.release()
