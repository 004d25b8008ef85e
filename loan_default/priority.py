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
    """Let others go first: this process, and by half as much its session, when it leads one.

    By half, because sessions of a machine that is busy with other things would let a nicer one stand still: at 9 it
    gets a tenth of what each of the others gets, at 19 a seventieth, and no more of the answers beside it were late.

    Args:
        nice: from 0 (nobody) to 19 (everybody).
    """
    os.nice(nice)
    if os.getsid(0) == os.getpid():  # not a terminal's session, in which others run too
        with suppress(OSError):  # a kernel without such groups, a read-only /proc
            _SESSION.write_text(str(nice // 2), encoding="ascii")
