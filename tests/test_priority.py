"""Processes that give way do so beyond their own session."""

import subprocess
import sys
from pathlib import Path

import pytest

AUTOGROUP = Path("/proc/self/autogroup")
TELL = """
import os
from pathlib import Path
from loan_default.priority import give_way
give_way(19)
group = Path("/proc/self/autogroup")
print(os.nice(0), group.read_text() if group.exists() else "")
"""


def told(new_session: bool) -> tuple[int, str]:
    """What a process that gave way reads of itself: its nice value and its session's group.

    The group is "/autogroup-13892 nice 9", or nothing for a process that no session of this machine was begun for
    (that of a CI that starts it in a PID namespace): it belongs to the kernel's own group, which has no such text.
    """
    done = subprocess.run(
        [sys.executable, "-c", TELL], capture_output=True, text=True, check=True, start_new_session=new_session
    )
    nice, _, group = done.stdout.strip().partition(" ")
    return int(nice), group


def test_a_process_that_gives_way_is_nice() -> None:
    assert told(new_session=False)[0] == 19


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel does not group processes by session")
def test_its_session_is_nice_as_well_but_no_session_that_it_shares() -> None:
    before = AUTOGROUP.read_text().strip()
    assert told(new_session=True)[1].endswith(" nice 9")
    assert told(new_session=False)[1] == before
    assert AUTOGROUP.read_text().strip() == before
