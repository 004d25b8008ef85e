"""The checksums of a model's files, so that an altered or half-copied model is refused."""

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path

from loan_default.errors import ModelFileError

_CHECKSUMS = "checksums.json"


def write_checksums(folder: Path, names: Collection[str]) -> None:
    """Write the sha256 of each of these files of `folder` beside them."""
    checksums = {name: _sha256(folder / name) for name in names}
    (folder / _CHECKSUMS).write_text(json.dumps(checksums, indent=2) + "\n", encoding="utf-8")


def check_files(folder: Path, names: Collection[str], may_lack: str) -> Collection[str]:
    """Compare the files of `folder` with their checksums.

    Args:
        folder: where they are.
        names: the files of every model.
        may_lack: the file that models of earlier versions lack; it is checked when the checksums name it.

    Returns:
        The names of the files that are there, as they were written.

    Raises:
        ModelFileError: a file is missing, was altered or is none of a model.
    """
    expected = _checksums(folder / _CHECKSUMS)
    if may_lack in expected:
        names = [*names, may_lack]
    try:
        actual = {name: _sha256(folder / name) for name in names}
    except OSError as error:
        raise _incomplete(error) from error
    if actual != expected:
        wrong = ", ".join(name for name in names if actual[name] != expected.get(name)) or _CHECKSUMS
        raise ModelFileError(f"The stored model was altered after it was trained (checksum of: {wrong}).")
    return names


def _checksums(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _incomplete(error) from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path.name} of the stored model is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{path.name} of the stored model must hold a checksum for each file by name.")
    return content


def _incomplete(error: OSError) -> ModelFileError:
    # Its name, never its place: `/readyz` tells this to strangers.
    name = Path(os.fsdecode(error.filename)).name if error.filename else "a file"
    return ModelFileError(f"The stored model is incomplete: {name}: {error.strerror}.")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
