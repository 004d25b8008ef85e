"""Makes a back-up of STATE_DIR while services go on.

Databases are copied by SQLite, decisions up to where their file ended when it was opened, and everything else is only
ever replaced as a whole. The back-up appears under its name when it is complete; killed before, it is not there.
"""

import errno
import fcntl
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from loan_default import __version__
from loan_default.backup.archive import PIPE, Header, Manifest, Writer, compression_of, writing
from loan_default.backup.contents import Contents, elsewhere
from loan_default.errors import BackupError
from loan_default.locks import locked
from loan_default.settings import Settings

# What vanishes while it is looked for is looked for again, so often.
_MOST_ROUNDS: Final = 20


@dataclass(frozen=True)
class Made:
    """A back-up that was made.

    Attributes:
        manifest: what is in it.
        elsewhere: settings that name places it does not reach.
        unknown: what else is in STATE_DIR, and was left there.
    """

    manifest: Manifest
    elsewhere: list[str]
    unknown: list[str]


def back_up(settings: Settings, target: Path, *, jobs: bool = True) -> Made:
    """Write a back-up of STATE_DIR into a new file, or to standard output for `-`.

    Raises:
        BackupError: there is nothing to back up, `target` is there already, or something cannot be read or written.
    """
    compression_of(target)
    contents = Contents(settings, jobs)
    header = Header(made_by=f"loan-default {__version__}", made_at=datetime.now(UTC), jobs=jobs)
    try:
        with _new_file(target) as file, writing(file, target, header) as archive:
            _add_all(archive, contents)
            manifest = archive.finish()
            if not manifest.files:
                raise BackupError(f"There is nothing to back up in {settings.state}.")
    except FileExistsError:
        raise BackupError(f"{target} is there already: take another name.") from None
    except sqlite3.Error as error:
        raise BackupError(f"A database in {settings.state} cannot be copied: {error}.") from error
    except OSError as error:
        named = f" ({error.filename})" if isinstance(error.filename, str) else ""
        raise BackupError(f"The back-up cannot be made: {error.strerror}{named}.") from error
    return Made(manifest, elsewhere(settings), contents.unknown())


def _add_all(archive: Writer, contents: Contents) -> None:
    with tempfile.TemporaryDirectory(prefix="loan-default-backup-") as scratch:
        copies: dict[str, Path] = {}
        with _no_promotion(contents.state):  # or the pointer and the registry could tell of different models
            for name in contents.pointers():
                _add(archive, contents.state / name, name)
            for name in contents.databases():
                copies[name] = Path(scratch, str(len(copies)))
                _copy_database(contents.state / name, copies[name])
        for name, copy in copies.items():
            _add(archive, copy, name)
            copy.unlink()
    for _ in range(_MOST_ROUNDS):
        if not _add_files(archive, contents):
            return


def _add_files(archive: Writer, contents: Contents) -> bool:
    """Add all files that are not in it; whether one vanished meanwhile, so that others may have come."""
    vanished = False
    for name in contents.files():
        if not archive.has(name):
            try:
                _add(archive, contents.state / name, name)
            except FileNotFoundError:
                vanished = True
    return vanished


def _add(archive: Writer, path: Path, name: str) -> None:
    with path.open("rb") as file:
        if path.suffix == ".jsonl":  # nobody erases in it, nor takes back what could be written in part only
            fcntl.flock(file, fcntl.LOCK_SH)
        archive.add(name, file)


def _copy_database(path: Path, to: Path) -> None:
    source = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    copy = sqlite3.connect(to)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without others beside it
    finally:
        copy.close()
        source.close()


def _no_promotion(state: Path) -> AbstractContextManager[None]:
    """Nobody promotes within the block; on a disk that cannot be written to nobody can anyway."""
    served = state / "served"
    return locked(served / ".promotion.lock") if os.access(served, os.W_OK) else nullcontext()


@contextmanager
def _new_file(target: Path) -> Iterator[BinaryIO]:
    """A file, readable by its owner alone, that has its name when the block ends without an error, and not before."""
    if target == PIPE:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    if target.exists():
        raise FileExistsError
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    descriptor, draft = _nameless(target)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:  # the compression closes what it is given
            yield file
        os.fsync(descriptor)
        # A link, not a rename: what has come to stand there meanwhile is not replaced. By `src_dir_fd` it is followed.
        os.link(draft or f"/proc/self/fd/{descriptor}", target.absolute(), src_dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(descriptor)
        os.close(folder)
        if draft is not None:
            draft.unlink(missing_ok=True)


def _nameless(target: Path) -> tuple[int, Path | None]:
    """A file that goes away with this process; on file systems that know none (NFS), one under a draft's name."""
    with suppress(AttributeError):
        try:
            return os.open(target.parent, os.O_TMPFILE | os.O_WRONLY, 0o600), None
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}:
                raise
    descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".draft")
    return descriptor, Path(draft).absolute()
