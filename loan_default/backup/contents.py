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

# Where keys and BentoML's store are, unless settings name other places; those are looked at besides.
_KEYS: Final = ("api_key", "api_keys")
_STORE: Final = "bentoml"
_STATE_ITSELF: Final = "."
_PASSING: Final = (".tmp", ".draft", ".lock")
# In a folder of BentoML's store, what is written last and so says that the rest is whole.
_STORED: Final = {"models": "model.yaml", "bentos": "bento.yaml"}
# All that there may be in STATE_DIR; what is neither here nor passing is somebody else's, and the command says so.
_ROOMS: Final = frozenset(
    {*_KEYS, "served", "mlflow.db", "mlartifacts", "running", _STORE, "decisions", "drift", "jobs"}
)
_SQLITE_BESIDE: Final = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Contents:
    """What there is to back up in a state folder; everything is looked up when it is asked for.

    Attributes:
        settings: which name STATE_DIR, and perhaps other places in it for named keys and for BentoML's store.
        jobs: whether bulk jobs belong to it.
    """

    settings: Settings
    jobs: bool

    @property
    def state(self) -> Path:
        """STATE_DIR."""
        return self.settings.state

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
        yield from (name for name in sorted(self._keys()) if (self.state / name).is_file())
        yield from self._stored()
        yield from self._below("mlartifacts")
        yield from (name for name in self._below("running") if not _is_passing(name))
        yield from self._matching("decisions", "*.jsonl")
        yield from (name for name in self._below("drift/windows") if not _is_passing(name))
        if self.jobs:
            yield from (name for name in self._below("jobs/files") if not _is_passing(name))

    def unknown(self) -> list[str]:
        """What else is in the folder."""
        known = {*_ROOMS, *self._keys()}
        for store in self._stores():
            known |= {*_STORED} if store == _STATE_ITSELF else {store}
        return sorted(self._besides(known, self.state)) if self.state.is_dir() else []

    def _besides(self, known: set[str], folder: Path) -> Iterator[str]:
        """What is in a folder besides known places, and in folders that hold one of these."""
        for path in folder.iterdir():
            name = path.relative_to(self.state).as_posix()
            if name in known or _is_passing(name) or name.endswith(_SQLITE_BESIDE):
                continue
            if path.is_dir() and any(place.startswith(f"{name}/") for place in known):
                yield from self._besides(known, path)
            else:
                yield name

    def _keys(self) -> set[str]:
        named = _inside(self.state, self.settings.keys_file)
        return {*_KEYS} if named is None else {*_KEYS, named}

    def _stores(self) -> set[str]:
        named = _inside(self.state, self.settings.bentoml_store)
        return {_STORE} if named is None else {_STORE, named}

    def _stored(self) -> Iterator[str]:
        for store in sorted(self._stores()):
            for room, last in _STORED.items():
                for kind in _folders(self.state / store / room):
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
        "API_KEYS_FILE": _inside(settings.state, settings.keys_file) is None,
        "BENTOML_HOME": _inside(settings.state, settings.bentoml_store) is None,
        "DATABASE_URL": settings.database_url is not None,
        "JOB_STORAGE_URL": settings.job_storage_url is not None,
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri is not None,
    }
    return [name for name, is_outside in outside.items() if is_outside]


def _inside(state: Path, path: Path) -> str | None:
    """The name of a place below STATE_DIR, `.` for the folder itself; None when it is outside, or leads out."""
    whole = state.resolve()
    if path.resolve() == whole:
        return _STATE_ITSELF
    place = path.parent.resolve() / path.name  # a link in STATE_DIR is read as what it leads to
    inside = place.is_relative_to(whole) and path.name != ".."
    return place.relative_to(whole).as_posix() if inside else None


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _is_passing(name: str) -> bool:
    return name.endswith(_PASSING) or name.rpartition("/")[2].startswith(".")
