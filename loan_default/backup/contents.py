"""What of STATE_DIR belongs in a back-up: whatever cannot be made again. Locks, drafts and caches do not.

The order counts, because services go on while files are read. What decides comes first: pointers, then the databases.
What they speak of was there before they did, and is read after them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loan_default.settings import Settings

# Databases of SQLite, which are copied by SQLite itself.
DATABASES: Final = ("mlflow.db", "jobs/jobs.sqlite")

_KEYS: Final = ("api_key", "api_keys")
_PASSING: Final = (".tmp", ".draft", ".lock")
# In a folder of BentoML's store, what is written last and so says that the rest is whole.
_STORED: Final = {"models": "model.yaml", "bentos": "bento.yaml"}
# All that there may be in STATE_DIR; what is neither here nor passing is somebody else's, and the command says so.
_ROOMS: Final = frozenset(
    {*_KEYS, "served", "mlflow.db", "mlartifacts", "running", "bentoml", "decisions", "drift", "jobs"}
)
_SQLITE_BESIDE: Final = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Contents:
    """What there is to back up in a state folder; everything is looked up when it is asked for.

    Attributes:
        state: STATE_DIR.
        jobs: whether bulk jobs belong to it.
    """

    state: Path
    jobs: bool

    def pointers(self) -> Iterator[str]:
        """Which models are promoted."""
        return self._matching("served", "*.json")

    def databases(self) -> Iterator[str]:
        """Databases, to be copied by SQLite."""
        for name in DATABASES:
            if (self.jobs or not name.startswith("jobs/")) and (self.state / name).is_file():
                yield name

    def files(self) -> Iterator[str]:
        """All other files, as they are now."""
        yield from (name for name in _KEYS if (self.state / name).is_file())
        yield from self._stored()
        yield from self._below("mlartifacts")
        yield from (name for name in self._below("running") if not _is_passing(name))
        yield from self._matching("decisions", "*.jsonl")
        yield from (name for name in self._below("drift/windows") if not _is_passing(name))
        if self.jobs:
            yield from (name for name in self._below("jobs/files") if not _is_passing(name))

    def unknown(self) -> list[str]:
        """What else is in the folder."""
        names = {path.name for path in self.state.iterdir()} if self.state.is_dir() else set()
        return sorted(name for name in names - _ROOMS if not _is_passing(name) and not name.endswith(_SQLITE_BESIDE))

    def _stored(self) -> Iterator[str]:
        for room, last in _STORED.items():
            for kind in _folders(self.state / "bentoml" / room):
                for stored in _folders(kind):
                    if (stored / last).is_file():
                        yield from self._below(stored.relative_to(self.state).as_posix())
                if (kind / "latest").is_file():
                    yield (kind / "latest").relative_to(self.state).as_posix()

    def _matching(self, folder: str, pattern: str) -> Iterator[str]:
        for path in sorted((self.state / folder).glob(pattern)):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(self.state).as_posix()

    def _below(self, folder: str) -> Iterator[str]:
        for path in sorted((self.state / folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(self.state).as_posix()


def elsewhere(settings: Settings) -> list[str]:
    """The settings that name places outside of STATE_DIR, which a back-up of it does not reach."""
    outside = {
        "API_KEY": settings.api_key is not None,
        "API_KEYS_FILE": not settings.keys_file.is_relative_to(settings.state),
        "BENTOML_HOME": not settings.bentoml_store.is_relative_to(settings.state),
        "DATABASE_URL": settings.database_url is not None,
        "JOB_STORAGE_URL": settings.job_storage_url is not None,
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri is not None,
    }
    return [name for name, is_outside in outside.items() if is_outside]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _is_passing(name: str) -> bool:
    return name.endswith(_PASSING) or name.rpartition("/")[2].startswith(".")
