"""Puts a back-up into an empty STATE_DIR: everything or nothing.

The back-up is read to its end first. Then its files are written into a folder inside STATE_DIR (which may be a mounted
volume, so not beside it), and moved to their places when all are there. Killed before that, nothing has happened, and
the next restore begins anew; killed while they are moved, the next one moves the rest.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pydantic import ValidationError

from loan_default.atomic import replacing
from loan_default.backup.archive import Manifest, each_file, verified
from loan_default.backup.moved import point_to
from loan_default.decision import Stored
from loan_default.errors import BackupError
from loan_default.settings import Settings

_BLOCK_BYTES: Final = 1 << 20
_DRAFT: Final = ".restoring"
# A new volume has this folder of its own.
_EMPTY_ALL_THE_SAME: Final = frozenset({_DRAFT, "lost+found"})
# Moved last: without it there is no model, and so no answer, from a folder that is half there.
_LAST: Final = "served"


class _Moving(Stored):
    """That all files are there and are being moved to their places; of which back-up."""

    backup: str


def restore(settings: Settings, archive: Path) -> Manifest:
    """Make STATE_DIR what it was when the back-up was made.

    Raises:
        BackupError: the back-up is not whole, or STATE_DIR is not empty, in use, too small, or cannot be written to.
    """
    manifest = verified(archive)
    state = settings.state
    try:
        state.mkdir(parents=True, exist_ok=True)
        with _draft(state) as draft:
            if _interrupted(draft) == _name_of(manifest):
                _move(draft, state)
                return manifest
            _require_empty(state)
            _require_room(state, manifest)
            _write_files(archive, manifest, draft / "files")
            if "mlflow.db" in manifest.files:
                point_to(draft / "files" / "mlflow.db", state)
            os.sync()
            with replacing(draft / "moving") as mark:
                mark.write(_Moving(backup=_name_of(manifest)).model_dump_json().encode())
            os.sync()
            _move(draft, state)
    except OSError as error:
        raise BackupError(f"{state} cannot be restored to: {error.strerror}.") from error
    return manifest


@contextmanager
def _draft(state: Path) -> Iterator[Path]:
    """The folder inside STATE_DIR, for one restore at a time; it is left for the next one only when files are moved."""
    draft = state / _DRAFT
    draft.mkdir(mode=0o700, exist_ok=True)
    with (draft / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError("Another restore into this STATE_DIR is at work.") from None
        try:
            yield draft
        finally:
            if not (draft / "moving").exists():
                shutil.rmtree(draft)


def _interrupted(draft: Path) -> str | None:
    """The back-up whose files were being moved when a restore was killed; None when none was."""
    try:
        return _Moving.model_validate_json((draft / "moving").read_bytes()).backup
    except (FileNotFoundError, ValidationError):  # nothing is moved before the mark is there, whole
        (draft / "moving").unlink(missing_ok=True)
        shutil.rmtree(draft / "files", ignore_errors=True)  # of one that was killed earlier
        return None


def _require_empty(state: Path) -> None:
    there = sorted({path.name for path in state.iterdir()} - _EMPTY_ALL_THE_SAME)
    if (state / _DRAFT / "moving").exists():
        raise BackupError(f"A restore into {state} was interrupted: restore the same back-up again to finish it.")
    if there:
        raise BackupError(f"{state} is not empty ({there[0]} is there): restore into an empty folder, by STATE_DIR.")


def _require_room(state: Path, manifest: Manifest) -> None:
    free = shutil.disk_usage(state).free
    if manifest.size > free:
        raise BackupError(f"{state} has room for {free / 2**20:,.0f} MiB; {manifest.size / 2**20:,.0f} are needed.")


def _write_files(archive: Path, manifest: Manifest, folder: Path) -> None:
    """Write all files, each readable by its owner alone, and compare them with the manifest once more."""

    def write(name: str, file: IO[bytes]) -> None:
        path = folder / name
        entry = manifest.files.get(name)
        _make_private(path.parent)
        digest, size = hashlib.sha256(), 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                size += target.write(block)
        if entry is None or (size, digest.hexdigest()) != (entry.size, entry.sha256):
            raise BackupError(f"{archive.name} has changed while it was restored: nothing was.")
        os.utime(path, ns=(entry.written_ns, entry.written_ns))

    folder.mkdir(mode=0o700)
    each_file(archive, write)


def _make_private(folder: Path) -> None:
    """A folder for its owner alone, and those above it; `mkdir` alone gives these to everybody."""
    if not folder.is_dir():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700)


def _move(draft: Path, state: Path) -> None:
    """Move what was written to its places; what was moved before the process was killed is there already."""
    waiting = sorted((draft / "files").iterdir(), key=lambda path: (path.name == _LAST, path.name))
    for path in waiting:
        if (state / path.name).exists():
            raise BackupError(f"{path.name} has come to be in {state} meanwhile: stop what made it, and remove it.")
        path.rename(state / path.name)
    os.sync()
    (draft / "moving").unlink()


def _name_of(manifest: Manifest) -> str:
    listed = "".join(f"{name} {entry.sha256}\n" for name, entry in sorted(manifest.files.items()))
    return hashlib.sha256(f"{manifest.header.made_at.isoformat()}\n{listed}".encode()).hexdigest()
