"""The file of a back-up: a tar, packed by gzip or zstd when its name says so, known to be whole before it is believed.

    backup.json      first: the format, what made it and when
    state/NAME       a file of STATE_DIR
    manifest.json    last: each of them with its size and SHA-256

A file that was cut off has no manifest, so it is no back-up. Only plain files are in it: no folders, links or rights,
for restoring gives everything to its owner alone.
"""

import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Final, Literal

from pydantic import BaseModel, Field, ValidationError

from loan_default.decision import Stored
from loan_default.errors import BackupError

FORMAT: Final = 1
PIPE: Final = Path("-")

_HEADER: Final = "backup.json"
_MANIFEST: Final = "manifest.json"
_STATE: Final = "state/"
_COMPRESSION: Final = {".tar": None, ".tar.gz": "gzip", ".tar.zst": "zstd"}
_BLOCK_BYTES: Final = 1 << 20
_MOST_HEADER_BYTES: Final = 1 << 16
_MOST_MANIFEST_BYTES: Final = 1 << 28
_PRIVATE: Final = 0o600


class Header(Stored):
    """What stands first in a back-up.

    Attributes:
        format: of the file; another one is not read.
        made_by: the program and its version.
        made_at: when it was begun.
        jobs: whether bulk jobs are in it.
    """

    format: Literal[1] = FORMAT
    made_by: str
    made_at: datetime
    jobs: bool


class Entry(Stored):
    """One file of a back-up.

    Attributes:
        written_ns: when it was written last, Unix time: a job knows its portfolio by that.
    """

    size: int = Field(ge=0)
    written_ns: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _AnyHeader(BaseModel):
    """What every format has in its header, to say why it is not read."""

    format: int
    made_by: str = "another program"


class _Listed(Stored):
    files: dict[str, Entry]


@dataclass(frozen=True)
class Manifest:
    """What a whole back-up holds: its header, and its files by their names below STATE_DIR."""

    header: Header
    files: Mapping[str, Entry]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.files.values())


class Writer:
    """Writes a back-up file after file; get one from `writing`."""

    def __init__(self, tar: tarfile.TarFile, header: Header) -> None:
        self._tar = tar
        self._header = header
        self._files: dict[str, Entry] = {}
        self._add_json(_HEADER, header.model_dump(mode="json"))

    def has(self, name: str) -> bool:
        """Whether a file is in it already."""
        return name in self._files

    def add(self, name: str, file: BinaryIO) -> None:
        """Add an open file as long as it is now.

        Raises:
            BackupError: it has become shorter.
        """
        status = os.fstat(file.fileno())
        reader = _Hashing(file)
        try:
            self._tar.addfile(_member(_STATE + name, status.st_size, status.st_mtime_ns), reader)
        except OSError as error:
            if (
                reader.size < status.st_size and error.errno is None
            ):  # tarfile's own word for a file that ends too early
                raise BackupError(f"{name} became shorter while it was read: back up again.") from error
            raise
        self._files[name] = Entry(size=reader.size, written_ns=status.st_mtime_ns, sha256=reader.digest.hexdigest())

    def finish(self) -> Manifest:
        """Write the manifest; without it nothing counts."""
        listed = _Listed(files=self._files)
        self._add_json(_MANIFEST, listed.model_dump(mode="json"))
        return Manifest(self._header, self._files)

    def _add_json(self, name: str, content: Any) -> None:
        data = json.dumps(content).encode()
        self._tar.addfile(_member(name, len(data)), BytesIO(data))


class _Hashing:
    """A file that hashes what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        self.size += len(block)
        return block


@contextmanager
def writing(file: BinaryIO, name: Path, header: Header) -> Iterator[Writer]:
    """A writer into an open file, compressed as `name` says."""
    with (
        _compressed(file, compression_of(name)) as stream,
        tarfile.open(fileobj=stream, mode="w|", bufsize=_BLOCK_BYTES, format=tarfile.PAX_FORMAT) as tar,
    ):
        yield Writer(tar, header)


def compression_of(path: Path) -> str | None:
    """How a back-up of this name is compressed; raises BackupError when it does not say."""
    if path == PIPE:
        return None
    for ending, compression in _COMPRESSION.items():
        if path.name.endswith(ending):
            return compression
    raise BackupError(f"{path.name} must end in {', '.join(_COMPRESSION)}, or be - for standard output.")


def verified(path: Path) -> Manifest:
    """Read a back-up from beginning to end; what is returned is whole.

    Raises:
        BackupError: it cannot be read, is damaged or cut off, or has another format.
    """
    found: dict[str, tuple[int, str]] = {}

    def note(name: str, file: IO[bytes]) -> None:
        if name in found:
            raise BackupError(f"{path.name} is no back-up: {name} is in it twice.")
        reader = _Hashing(file)
        while reader.read(_BLOCK_BYTES):
            pass
        found[name] = (reader.size, reader.digest.hexdigest())

    manifest = _read(path, note)
    listed = {name: (entry.size, entry.sha256) for name, entry in manifest.files.items()}
    different = {name for name in {*found, *listed} if found.get(name) != listed.get(name)}
    if different:
        raise BackupError(f"{path.name} is damaged: {min(different)} is not as its manifest says. Take another one.")
    return manifest


def each_file(path: Path, take: Callable[[str, IO[bytes]], None]) -> None:
    """Hand over each file of a back-up, by its name below STATE_DIR; raises what `verified` does."""
    _read(path, take)


def _read(path: Path, take: Callable[[str, IO[bytes]], None]) -> Manifest:
    with _explained(path), _opened(path) as tar:
        header: Header | None = None
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            if file is None:
                raise BackupError(f"{path.name} is no back-up: {member.name!r} in it is no plain file.")
            if header is None:
                header = _header(path, member, file)
            elif member.name == _MANIFEST:
                listed = _json(file, member, _MOST_MANIFEST_BYTES)
                if tar.next() is not None:
                    raise BackupError(f"{path.name} is no back-up: something follows its manifest.")
                return Manifest(header, _Listed.model_validate_json(listed).files)
            else:
                take(_name(path, member.name), file)
    raise BackupError(f"{path.name} is cut off: its manifest is not there. Take another one.")


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    import pyarrow as pa  # it has both compressions; a command that backs nothing up does without

    compression = compression_of(path)
    with path.open("rb") as raw:
        packed: AbstractContextManager[Any] = (
            nullcontext(raw) if compression is None else pa.CompressedInputStream(raw, compression)
        )
        with packed as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK_BYTES) as tar:
            yield tar


@contextmanager
def _compressed(file: BinaryIO, compression: str | None) -> Iterator[Any]:
    if compression is None:
        yield file
        return
    import pyarrow as pa

    with pa.CompressedOutputStream(file, compression) as stream:
        yield stream


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the ways in which a file is no back-up into one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise BackupError(f"There is no back-up {path}.") from None
    except (tarfile.TarError, zlib.error, EOFError, ValidationError, UnicodeDecodeError, ValueError) as error:
        raise BackupError(f"{path.name} is no back-up, or is damaged ({type(error).__name__}).") from error
    except OSError as error:
        reason = error.strerror or "it cannot be unpacked"
        raise BackupError(f"{path.name} cannot be read: {reason}.") from error


def _header(path: Path, member: tarfile.TarInfo, file: IO[bytes]) -> Header:
    if member.name != _HEADER:
        raise BackupError(f"{path.name} is no back-up of `loan-default backup`.")
    content = _json(file, member, _MOST_HEADER_BYTES)
    told = _AnyHeader.model_validate_json(content)
    if told.format != FORMAT:
        raise BackupError(
            f"{path.name} has format {told.format}, of {told.made_by}; this version reads format {FORMAT}. "
            "Restore it with the version that made it."
        )
    return Header.model_validate_json(content)


def _json(file: IO[bytes], member: tarfile.TarInfo, most: int) -> bytes:
    if member.size > most:
        raise BackupError(f"{member.name} of the back-up is longer than {most:,} bytes.")
    return file.read()


def _name(path: Path, stored: str) -> str:
    """The name below STATE_DIR; raises BackupError when it leads elsewhere."""
    name = stored.removeprefix(_STATE)
    parts = PurePosixPath(name).parts
    plain = name == "/".join(parts) and "\0" not in name and not {"..", ".", "/"} & set(parts)
    if not stored.startswith(_STATE) or not parts or not plain or name.startswith("/"):
        raise BackupError(f"{path.name} is no back-up: {stored!r} in it leads out of STATE_DIR.")
    return name


def _member(name: str, size: int, written_ns: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mtime = written_ns // 10**9  # for people; the manifest has all of it
    member.mode = _PRIVATE
    return member
