"""Where a job's files are kept: a folder on a disk, or objects in a store that knows no folders.

    Place         one file anywhere that pyarrow reaches
    Folder        files under short names, what the rest of the code asks for
    LocalFolder   the one on a disk

Both hold files under short names. A file becomes visible whole or not at all: on a disk by a rename, in an object store
because an object appears when its upload is completed.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # at run time pyarrow comes with the first file: online scoring does without it
    import pyarrow as pa
    from pyarrow.fs import FileSystem

_BLOCK_BYTES = 1 << 20
_PIECE_BYTES = 16 << 10
_DRAFT = ".draft"


@dataclass(frozen=True)
class Place:
    """One file anywhere that pyarrow reaches: a disk, s3, gs."""

    fs: "FileSystem"
    path: str


class Sink:
    """A new file, to be written in order.

    It is written in small pieces. While a kernel without preemption, as servers often have, copies what one call
    writes, nobody else gets onto that core, however urgent: beside a job that wrote megabytes at once, a process that
    should have been woken was 4 to 6 ms late, and online scoring is such a process (docs/benchmarks.md).
    """

    def __init__(self, file: "pa.NativeFile") -> None:
        self._file = file

    def write(self, content: "bytes | bytearray | memoryview | pa.Buffer") -> int:
        """Write what comes next, all of it; returns how many bytes that is. Raises OSError."""
        with memoryview(content) as view:
            for start in range(0, len(view), _PIECE_BYTES):
                self._file.write(view[start : start + _PIECE_BYTES])
            return len(view)


@contextmanager
def sink(path: Path) -> Iterator[Sink]:
    """A new file at this path, closed when the context ends."""
    from pyarrow import OSFile

    with OSFile(str(path), "wb") as file:
        yield Sink(file)


def nothing() -> None:
    """Asks nothing; see `Folder.writing`."""


class Folder(Protocol):
    """Files under short names like `order.json` or `parts/000000.part`."""

    def names(self) -> set[str]:
        """All files there are."""

    def place(self, name: str) -> Place:
        """Where pyarrow finds a file."""

    def size(self, name: str) -> int:
        """Its size in bytes; raises FileNotFoundError."""

    def read(self, name: str) -> bytes:
        """A small file as a whole; raises FileNotFoundError."""

    def writing(self, name: str, asked: Callable[[], None] = ...) -> AbstractContextManager[Sink]:
        """A new file, to be written in order; visible, whole and for good when the context ends without an error.

        `asked` is called while that takes its time, between two blocks; what it raises ends it, and leaves no file.
        """

    def write(self, name: str, content: bytes) -> None:
        """A small file as a whole."""

    def blocks(self, name: str) -> Iterator[bytes]:
        """A file in blocks, in order, to be sent on."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def remove_all(self) -> None:
        """Remove the folder with all its files, if it is there."""


class LocalFolder:
    """A folder on a disk, or on a disk that several machines mount.

    A file is written under a draft's name, flushed to the disk with its folder, and then renamed. Each draft is locked
    while its writer lives, so whoever writes the same file next can remove what a dead one left.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> set[str]:
        """All files there are."""
        found = (Path(folder, name) for folder, _, names in os.walk(self._path) for name in names)
        return {path.relative_to(self._path).as_posix() for path in found if path.suffix != _DRAFT}

    def place(self, name: str) -> Place:
        """Where pyarrow finds a file."""
        from pyarrow.fs import LocalFileSystem

        return Place(LocalFileSystem(), str(self._path / name))

    def size(self, name: str) -> int:
        """Its size in bytes; raises FileNotFoundError."""
        return (self._path / name).stat().st_size

    def read(self, name: str) -> bytes:
        """A small file as a whole; raises FileNotFoundError."""
        return (self._path / name).read_bytes()

    @contextmanager
    def writing(self, name: str, asked: Callable[[], None] = nothing) -> Iterator[Sink]:
        """A new file, to be written in order; see `Folder`."""
        final = self._path / name
        _make_folder(final.parent)
        _remove_dead_drafts(final)
        draft, lock = _new_draft(final)
        try:
            with sink(draft) as file:
                yield file
            asked()
            os.fsync(lock)
            draft.replace(final)
            _flush(final.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        finally:
            os.close(lock)

    def write(self, name: str, content: bytes) -> None:
        """A small file as a whole."""
        with self.writing(name) as file:
            file.write(content)

    def blocks(self, name: str) -> Iterator[bytes]:
        """A file in blocks, in order, to be sent on."""
        with (self._path / name).open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self._path / name).unlink(missing_ok=True)
        _remove_dead_drafts(self._path / name)

    def remove_all(self) -> None:
        """Remove the folder with all its files, if it is there."""
        shutil.rmtree(self._path, ignore_errors=True)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    _flush(folder.parent)


def _new_draft(final: Path) -> tuple[Path, int]:
    """A draft's path, and its open file, locked."""
    while True:
        draft = final.with_name(f"{final.name}.{secrets.token_hex(4)}{_DRAFT}")
        lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with suppress(OSError):  # a file system without locks: then a dead writer's draft stays
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if draft.exists():
            return draft, lock
        os.close(lock)  # another writer took it for a dead one's, before it was locked


def _remove_dead_drafts(final: Path) -> None:
    for draft in final.parent.glob(f"{escape(final.name)}.*{_DRAFT}"):
        with suppress(OSError), draft.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.unlink()


def _flush(folder: Path) -> None:
    """Make the names of a folder survive a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
