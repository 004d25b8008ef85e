"""A job's folder in an object store that pyarrow reaches, like S3.

Objects have no rename: one appears when its upload is completed, and a writer that is killed completes nothing. pyarrow
completes an upload also when its writer fails, so a file is written to a local disk first and uploaded as a whole.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pyarrow.fs import FileSelector, FileSystem, FileType

from loan_default.storage import Place, Sink, nothing, sink

_BLOCK_BYTES: Final = 1 << 20


class ObjectFolder:
    """Objects under one prefix; see `Folder`."""

    def __init__(self, fs: FileSystem, prefix: str) -> None:
        self._fs = fs
        self._prefix = prefix

    def names(self) -> set[str]:
        """All files there are."""
        found = self._fs.get_file_info(FileSelector(self._prefix, recursive=True, allow_not_found=True))
        return {info.path[len(self._prefix) + 1 :] for info in found if info.type == FileType.File}

    def place(self, name: str) -> Place:
        """Where pyarrow finds a file."""
        return Place(self._fs, f"{self._prefix}/{name}")

    def size(self, name: str) -> int:
        """Its size in bytes; raises FileNotFoundError."""
        info = self._fs.get_file_info(f"{self._prefix}/{name}")
        if info.type != FileType.File:
            raise FileNotFoundError(name)
        return int(info.size)

    def read(self, name: str) -> bytes:
        """A small file as a whole; raises FileNotFoundError."""
        with self._fs.open_input_stream(f"{self._prefix}/{name}") as file:
            return bytes(file.read())

    @contextmanager
    def writing(self, name: str, asked: Callable[[], None] = nothing) -> Iterator[Sink]:
        """A new file, to be written in order; see `Folder`."""
        with tempfile.TemporaryDirectory(prefix="loan-default-upload-") as folder:
            draft = Path(folder, "draft")
            with sink(draft) as file:
                yield file
            self._upload(draft, f"{self._prefix}/{name}", asked)

    def write(self, name: str, content: bytes) -> None:
        """A small file as a whole."""
        with self.writing(name) as file:
            file.write(content)

    def blocks(self, name: str) -> Iterator[bytes]:
        """A file in blocks, in order, to be sent on."""
        with self._fs.open_input_stream(f"{self._prefix}/{name}") as file:
            while block := file.read(_BLOCK_BYTES):
                yield bytes(block)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            self._fs.delete_file(f"{self._prefix}/{name}")

    def remove_all(self) -> None:
        """Remove the folder with all its files, if it is there."""
        with suppress(FileNotFoundError):
            self._fs.delete_dir(self._prefix)

    def _upload(self, draft: Path, path: str, asked: Callable[[], None]) -> None:
        asked()
        try:
            with draft.open("rb") as source, self._fs.open_output_stream(path) as target:
                while block := source.read(_BLOCK_BYTES):
                    target.write(block)
                    asked()
        except BaseException:
            with suppress(OSError):  # it may have been completed with a part of it
                self._fs.delete_file(path)
            raise
