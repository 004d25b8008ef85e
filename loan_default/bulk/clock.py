"""How long a job has been scored, over all its starts."""

import time

from loan_default.storage import Folder

CLOCK = "seconds.txt"
_KEEP_EVERY_S = 2.0


class Clock:
    """Counts on from what earlier starts left in the folder; the last seconds before a kill are lost."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._before = _read(folder)
        self._started = self._kept = time.monotonic()

    def seconds(self) -> float:
        """So far."""
        return self._before + time.monotonic() - self._started

    def keep(self) -> None:
        """Write it down, if the last time is a while ago."""
        now = time.monotonic()
        if now - self._kept >= _KEEP_EVERY_S:
            self._kept = now
            self._folder.write(CLOCK, f"{self.seconds():.3f}".encode())


def _read(folder: Folder) -> float:
    try:
        return float(folder.read(CLOCK))
    except (FileNotFoundError, ValueError):
        return 0.0
