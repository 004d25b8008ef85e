"""Holds processes to a share of one core each, so that the load generator on the same machine has the rest.

Linux's control groups do it; that takes root.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.environments import RivalFailed

_GROUPS = Path("/sys/fs/cgroup")
_PERIOD_US = 10_000


@contextmanager
def held(pids: Sequence[int], share: float) -> Iterator[None]:
    """Each process gets at most `share` of a core; the groups vanish when the processes have ended.

    Raises:
        RivalFailed: control groups cannot be written here.
    """
    with ExitStack() as stack:
        for pid in pids:
            group = _root() / f"loan-default-{pid}"
            try:
                group.mkdir()
                stack.callback(_remove, group)
                _set_quota(group, round(_PERIOD_US * share))
                (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
            except OSError as error:
                raise RivalFailed(f"--share needs root and control groups: {error}") from error
        yield
        for pid in pids:
            with suppress(OSError):
                (_root() / "cgroup.procs").write_text(str(pid), encoding="ascii")


def _root() -> Path:
    """Where groups with a CPU quota are made: of version 2, or of version 1."""
    return _GROUPS if (_GROUPS / "cgroup.controllers").exists() else _GROUPS / "cpu"


def _set_quota(group: Path, quota_us: int) -> None:
    if (group / "cpu.max").exists():
        (group / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}", encoding="ascii")
    else:
        (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US), encoding="ascii")
        (group / "cpu.cfs_quota_us").write_text(str(quota_us), encoding="ascii")


def _remove(group: Path) -> None:
    for _ in range(20):
        with suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)
