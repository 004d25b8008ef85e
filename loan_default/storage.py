"""Where a job's files are kept: a folder on a disk, or objects in a store that knows no folders.

Both hold files under short names. A file becomes visible whole or not at all: on a disk by a rename, in an object store
because an object appears when its upload is completed.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
from pyarrow.fs import FileSystem


@dataclass(frozen=True)
class Place:
    """One file anywhere that pyarrow reaches: a disk, s3, gs."""

    fs: FileSystem
    path: str


class Folder(Protocol):
    """Files under short names like `order.json` or `parts/000000.arrow`."""

    def names(self) -> set[str]:
        """All files there are."""

    def place(self, name: str) -> Place:
        """Where pyarrow finds a file."""

    def size(self, name: str) -> int:
        """Its size in bytes; raises FileNotFoundError."""

    def read(self, name: str) -> bytes:
        """A small file as a whole; raises FileNotFoundError."""

    def writing(self, name: str) -> AbstractContextManager[pa.NativeFile]:
        """A new file, to be written in order; visible, whole and for good when the context ends without an error."""

    def write(self, name: str, content: bytes) -> None:
        """A small file as a whole."""

    def blocks(self, name: str) -> Iterator[bytes]:
        """A file in blocks, in order, to be sent on."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def remove_all(self) -> None:
        """Remove the folder with all its files, if it is there."""
