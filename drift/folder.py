"""Where the monitor keeps its windows: `STATE_DIR/drift`, which one monitor at a time has to itself."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from loguru import logger

from loan_default.settings import Settings

_ASIDE = "set-aside"


class Folder:
    """The folder of one monitor, for as long as this object lives.

    Attributes:
        path: where it is. When another process has it, or it cannot be written to, a temporary one: the monitor works,
            and forgets everything when it ends.
    """

    def __init__(self, settings: Settings) -> None:
        self._lock: int | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        try:
            settings.drift.mkdir(parents=True, exist_ok=True)
            settings.drift.chmod(0o700)  # live samples may be gathered here
            self._lock = os.open(settings.drift / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.path = settings.drift
        except OSError as error:
            self._temporary = tempfile.TemporaryDirectory(prefix="loan-default-drift-")
            self.path = Path(self._temporary.name)
            why = "another monitor has it" if isinstance(error, BlockingIOError) else error.strerror
            logger.warning("Drift: nothing is kept in STATE_DIR/drift ({}); a restart begins anew", why)

    def of(self, tag: str) -> Path:
        """The folder of one model."""
        return self.path / "windows" / tag.replace(":", "_")

    def watches(self) -> list[Path]:
        """The folders of the models that were watched."""
        return sorted(path for path in (self.path / "windows").glob("*") if path.is_dir())

    def set_aside(self, watch: Path) -> None:
        """Put a folder where nobody takes it for a window; what was put there before is removed."""
        aside = self.path / _ASIDE
        shutil.rmtree(aside, ignore_errors=True)
        watch.replace(aside)

    def close(self) -> None:
        """Leave the folder to others."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def __del__(self) -> None:
        self.close()
