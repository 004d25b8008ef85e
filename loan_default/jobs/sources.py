"""Portfolios that stand elsewhere: named by a URI, and read only when they are under a prefix that JOB_SOURCES names.

A caller's URI is never given to a library that would act on it: what follows the prefix is checked, and put behind the
prefix, which is the operator's. So no parameter, host, user or other scheme can come from a caller.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from loan_default.errors import BulkInputError
from loan_default.settings import Settings

if TYPE_CHECKING:
    from loan_default.storage import Place

_HEAD_BYTES = 4
# The names of folders and files that are taken: none that has a meaning of its own to a disk or a URL.
_NAMES = re.compile(r"[^/\\?#%\x00-\x1f\x7f]+(/[^/\\?#%\x00-\x1f\x7f]+)*")
_LOCAL = "file://"


def place_of(uri: str, settings: Settings) -> "Place":
    """Where a portfolio stands; checked anew each time, as links may have changed.

    Raises:
        BulkInputError: it is under no prefix, or is no file.
    """
    for prefix in settings.sources:
        rest = _below(uri, prefix)
        if rest is not None:
            return _local(Path(prefix), rest) if "://" not in prefix else _remote(prefix, rest)
    raise BulkInputError(
        "The server does not read portfolios from there: JOB_SOURCES names the places that it reads from."
    )


def first_bytes(uri: str, settings: Settings) -> bytes:
    """The first bytes of a portfolio.

    Raises:
        BulkInputError: as `place_of`, or it cannot be read.
    """
    place = place_of(uri, settings)
    try:
        with place.fs.open_input_file(place.path) as file:
            return bytes(file.read(_HEAD_BYTES))
    except OSError:
        raise _unreadable() from None


def _below(uri: str, prefix: str) -> str | None:
    """What follows a prefix in a URI; None when it is not below, or not by plain names."""
    folder = prefix.partition("?")[0].rstrip("/") + "/"
    path = uri.removeprefix(_LOCAL) if "://" not in prefix else uri
    rest = path.removeprefix(folder)
    if rest == path or not _NAMES.fullmatch(rest) or {".", ".."} & set(rest.split("/")):
        return None
    return rest


def _local(folder: Path, rest: str) -> "Place":
    from pyarrow.fs import LocalFileSystem

    from loan_default.storage import Place

    whole = folder.resolve()
    path = (whole / rest).resolve()  # follows links: one that leads out of the folder is not followed for a caller
    if not path.is_relative_to(whole) or not path.is_file():
        raise _unreadable()
    return Place(LocalFileSystem(), str(path))


def _remote(prefix: str, rest: str) -> "Place":
    from pyarrow.fs import FileSystem

    from loan_default.storage import Place

    fs, folder = FileSystem.from_uri(prefix)
    return Place(fs, f"{folder.rstrip('/')}/{rest}")


def _unreadable() -> BulkInputError:
    return BulkInputError("There is no readable file at this URI.")
