"""In a container, the death of one process ends the server: in good order, and with an exit code that says so.

Whoever runs the container looks at it as a whole: a process that is started again inside, over and over, is never seen
from outside. See docs/decisions/0017-a-dead-process-ends-the-container.md. Elsewhere BentoML's supervisor starts a dead
process again.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from loguru import logger

# Seconds between two looks.
LOOK_S = 0.5
# A server that ends takes 17 s at most after its shutdown delay (docs/operations.md). What is still there then hangs,
# and is killed.
MOST_SECONDS = 20.0
EXIT_CODE = 1


class Kind(Protocol):
    """What is asked of Circus's Watcher, which keeps processes of one kind."""

    @property
    def name(self) -> str:
        """What they are called."""

    @property
    def processes(self) -> Mapping[int, object]:
        """Those that live, by their ids, as far as it knows."""


class Deathwatch:
    """Watches the processes of one supervisor, from within its event loop.

    Attributes:
        died: what happened to the first process that died; None while all live.
    """

    def __init__(self, kinds: Callable[[], Iterable[Kind]], stopping: Callable[[], bool], delay_s: float) -> None:
        """Watch processes.

        Args:
            kinds: the processes that there are now.
            stopping: whether the supervisor is ending them itself.
            delay_s: how long a server that ends goes on answering (SHUTDOWN_DELAY_S).
        """
        self.died: str | None = None
        self._kinds = kinds
        self._stopping = stopping
        self._delay_s = delay_s
        # Circus forgets the dead, so those that ever lived are remembered here.
        self._names: dict[int, str] = {}
        self._deadline = 0.0

    def look(self) -> None:
        """Look once; when a process has died, have the supervisor end, and see that it does."""
        if self.died is None:
            self.died = None if self._stopping() else self._first_death()
            if self.died is None:
                return
            logger.error("{}: the server ends, so that whoever runs this container starts it anew", self.died)
            self._deadline = time.monotonic() + self._delay_s + MOST_SECONDS
        if not self._stopping():
            # As if someone had asked for it: readiness fails first, and calls under way are finished. Circus drops a
            # request that comes while it is at something else, so it is asked until it stops.
            signal.raise_signal(signal.SIGTERM)
        elif time.monotonic() > self._deadline:
            self._kill_all()

    def _first_death(self) -> str | None:
        for kind in self._kinds():
            self._names |= dict.fromkeys(kind.processes, kind.name)
        ends = ((pid, _end_of(pid)) for pid in self._names)
        return next((f"Process {pid} ({self._names[pid]}) {end}" for pid, end in ends if end), None)

    def _kill_all(self) -> None:
        for pid, name in self._names.items():
            if _end_of(pid) is None:
                logger.error("Process {} ({}) does not end, and is killed", pid, name)
                os.kill(pid, signal.SIGKILL)


def _end_of(pid: int) -> str | None:
    """How a child ended, which stays to be asked for by its parent; None while it lives."""
    try:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return "ended"
    if ended is None:
        return None
    if ended.si_code == os.CLD_EXITED:
        return f"ended with exit code {ended.si_status}"
    return f"was killed by {signal.Signals(ended.si_status).name}"
