"""Which processes wait for which: online scoring goes before everything else on the machine.

A nice value orders the processes of one session only, where Linux groups them by session (`sched_autogroup_enabled`,
the default of most distributions): each session gets its equal share, whatever happens inside of it. BentoML's
supervisor starts every worker in a session of its own, so the session has to be made nice as well. In a container
or a unit of systemd there are no such groups, and the nice value counts alone.
"""

import os
from contextlib import suppress
from pathlib import Path

_SESSION = Path("/proc/self/autogroup")


def give_way(nice: int) -> None:
    """Let others go first: this process, and its session when it leads one.

    Args:
        nice: from 0 (nobody) to 19 (everybody).
    """
    os.nice(nice)
    if os.getsid(0) == os.getpid():  # not a terminal's session, in which others run too
        with suppress(OSError):  # a kernel without such groups, a read-only /proc
            _SESSION.write_text(str(nice), encoding="ascii")
