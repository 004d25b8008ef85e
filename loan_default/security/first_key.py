"""The random key of the first start: made once, kept in a file that only its owner can read."""

import os
import secrets
import tempfile
from pathlib import Path

from loan_default.errors import SettingsError

_KEY_BYTES = 32


def new_key() -> str:
    """A key nobody can guess: 43 characters out of 32 random bytes."""
    return secrets.token_urlsafe(_KEY_BYTES)


def first_key(path: Path) -> str:
    """The key in `path`; made now if there is no such file. A file that others may read is made private.

    Raises:
        SettingsError: no key can be kept there.
    """
    try:
        if not path.exists():
            _create(path)
        path.chmod(0o600)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it does not hold a key"
        raise SettingsError(f"No API_KEY is set and no key can be kept in {path}: {reason}.") from None
    if not key:
        raise SettingsError(f"{path} is empty: remove it to have a new key made, or set API_KEY.")
    return key


def _create(path: Path) -> None:
    """Make the key file; when several workers try at once, one wins and the others read its key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # readable by its owner alone
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(new_key() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
