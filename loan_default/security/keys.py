"""The keys that are valid now, from everywhere they may be kept.

Configured keys are those of `API_KEY`, which hold every scope, and those of the keys file, each with its own scopes.
The random key of the first start counts only while there is no other: whoever configures keys decides alone who calls.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from loguru import logger

from loan_default.errors import KeysFileError, LoanDefaultError
from loan_default.security.caller import SCOPES, Caller
from loan_default.security.first_key import first_key
from loan_default.security.keys_file import NamedKey, read_keys
from loan_default.settings import Settings

# No key is longer; what is longer is refused before any work is done for it.
MOST_KEY_BYTES = 256

_SHORT = 16
_EVERYTHING = frozenset(SCOPES)
_Signature = tuple[int, int, int, int] | None


class Keys:
    """A set of valid keys; holds only their digests, each with the caller it stands for."""

    __slots__ = ("_callers",)

    def __init__(self, keys: Iterable[tuple[bytes, Caller]] = ()) -> None:
        self._callers = dict(keys)

    def __len__(self) -> int:
        return len(self._callers)

    def find(self, key: bytes) -> Caller | None:
        """The caller that `key` belongs to; None when it is not ours."""
        # The time of a look-up may depend on the digest, but never on how much of a key is right: to steer a digest
        # towards one of ours takes a preimage of SHA-256. So it leaks nothing, and costs the same for any number of
        # keys, where comparing them one by one in constant time would cost another 0.1 µs each.
        if len(key) > MOST_KEY_BYTES:
            return None
        return self._callers.get(hashlib.sha256(key).digest())


def load_keys(settings: Settings) -> tuple[Keys, Path | None]:
    """The keys that are valid by these settings and files; the random one is made now if need be.

    Returns:
        The keys, and the file that holds the random one (None when others are configured).

    Raises:
        SettingsError: a keys file is wrong, or there is no key and none can be kept.
    """
    configured = _configured(settings)
    if configured:
        return Keys((digest, caller) for digest, (caller, _) in configured.items()), None
    path = settings.first_key_file
    return Keys([_nameless(first_key(path))]), path


def valid_keys(settings: Settings) -> list[tuple[Caller, str]]:
    """Who may call by these settings and files, and where each key is kept. Makes nothing: no first key either.

    Raises:
        SettingsError: a keys file is wrong.
    """
    found = _configured(settings)
    path = settings.first_key_file
    if not found and path.exists():
        return [(_nameless(first_key(path))[1], str(path))]
    return list(found.values())


class KeyRing:
    """The valid keys of a running server, which takes up a changed keys file by itself.

    A file that is broken or gone keeps the keys as they were: a slip of the pen must not lock every caller out.
    """

    def __init__(self, settings: Settings) -> None:
        """Load the keys; raises SettingsError as `load_keys` does."""
        self._settings = settings
        self._seen = _signature(settings.keys_file)
        self._keys, self._first_key_file = load_keys(settings)
        self._tell(settings)

    def keys(self) -> Keys:
        """The keys that are valid now."""
        return self._keys

    def refresh(self) -> bool:
        """Take up the keys file if it has changed; costs one `stat` otherwise. Returns whether keys were taken up."""
        signature = _signature(self._settings.keys_file)
        if signature == self._seen:
            return False
        self._seen = signature
        try:
            if signature is None:
                raise KeysFileError(f"{self._settings.keys_file} is gone.")  # as any other problem
            self._keys, self._first_key_file = load_keys(self._settings)
        except LoanDefaultError as error:
            logger.error("The keys stay as they were, {} of them: {}", len(self._keys), error.message)
            return False
        logger.info("Took up the changed keys file: {} keys are valid", len(self._keys))
        return True

    def _tell(self, settings: Settings) -> None:
        if self._first_key_file is not None:
            logger.info("No key is configured: the one that callers need is in {}", self._first_key_file)
        short = sum(len(key) < _SHORT for key in settings.api_keys)
        if short:
            logger.warning(
                "{} of the keys in API_KEY are shorter than {} characters and can be guessed; `loan-default key add` "
                "makes better ones",
                short,
                _SHORT,
            )


def _configured(settings: Settings) -> dict[bytes, tuple[Caller, str]]:
    """The keys that somebody configured, by digest: whom each belongs to, and where it is kept."""
    found = {digest: (caller, "API_KEY") for digest, caller in map(_nameless, settings.api_keys)}
    # A key that is in the file, too, has the name and the scopes that it has there.
    return found | {key.digest: (key.caller, str(settings.keys_file)) for key in _named(settings)}


def _nameless(key: str) -> tuple[bytes, Caller]:
    digest = hashlib.sha256(key.encode()).digest()
    return digest, Caller(digest.hex()[:8], _EVERYTHING)


def _named(settings: Settings) -> list[NamedKey]:
    path = settings.keys_file
    if settings.api_keys_file is None and not path.exists():
        return []  # the default place may be empty; a place that was named may not
    return read_keys(path)


def _signature(path: Path) -> _Signature:
    """What changes whenever a file does, a Kubernetes secret's link to another folder included."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
