"""The file of named keys: read by the service, changed by `loan-default key`. It holds hashes only.

One key a line, blank lines and lines that begin with `#` aside:

    analyst score sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    deploy score,operate sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
"""

import fcntl
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loan_default.errors import KeysFileError
from loan_default.security.caller import SCOPES, Caller
from loan_default.security.first_key import new_key

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# The id of a key without a name looks like this; a name must not pass for one.
_NAMELESS = re.compile(r"[0-9a-f]{8}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A line of the file: the key's SHA-256, never the key."""

    caller: Caller
    digest: bytes
    line: int


def read_keys(path: Path) -> list[NamedKey]:
    """The keys of `path`, in the file's order.

    Raises:
        KeysFileError: it cannot be read, others may write to it, or lines are wrong; names each line and what is wrong
            with it, never what it holds.
    """
    return _parse(_read(path), path)


def add_key(path: Path, name: str, scopes: Sequence[str]) -> str:
    """Make a key, add its hash to `path`, and return the key, which is kept nowhere.

    Raises:
        KeysFileError: the name is taken or cannot be one, or the file cannot be read or written.
    """
    problem = _problem_with_name(name)
    if problem:
        raise KeysFileError(f"The name of a key {problem}.")
    held = ",".join(scope for scope in SCOPES if scope in scopes)
    if not held or not set(scopes) <= set(SCOPES):
        raise KeysFileError(f"The scopes of a key are {' or '.join(SCOPES)}, or both.")
    key = new_key()

    def added(text: str) -> str:
        if any(known.caller.key_id == name for known in _parse(text, path)):
            raise KeysFileError(f"{path} has a key named {name} already: revoke that one first, or take another name.")
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{end}{name} {held} sha256:{hashlib.sha256(key.encode()).hexdigest()}\n"

    _change(path, added)
    return key


def revoke_key(path: Path, name: str) -> None:
    """Take the key `name` out of `path`; comments and the other lines stay as they are.

    Raises:
        KeysFileError: there is no such key, or the file cannot be read or written.
    """

    def without(text: str) -> str:
        lines = [known.line for known in _parse(text, path) if known.caller.key_id == name]
        if not lines:
            raise KeysFileError(f"{path} has no key of that name; `loan-default key list` shows those it has.")
        kept = text.splitlines(keepends=True)
        del kept[lines[0] - 1]
        return "".join(kept)

    _change(path, without)


def _parse(text: str, path: Path) -> list[NamedKey]:
    keys: list[NamedKey] = []
    problems = []
    names: set[str] = set()
    digests: set[bytes] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key = _parse_line(line, number)
        if isinstance(key, str):
            problems.append(f"line {number}: {key}")
        elif key.caller.key_id in names:
            problems.append(f"line {number}: its name stands in an earlier line, too")
        elif key.digest in digests:
            problems.append(f"line {number}: its hash stands in an earlier line, too")
        else:
            keys.append(key)
            names.add(key.caller.key_id)
            digests.add(key.digest)
    if problems:
        raise KeysFileError(f"{path}, {'; '.join(problems)}.")
    return keys


def _parse_line(line: str, number: int) -> NamedKey | str:
    """The key of a line, or what is wrong with it, in words that show nothing of it."""
    parts = line.split()
    if len(parts) != 3:  # the three of the message
        return "must be NAME SCOPES sha256:HEX"
    name, scopes, digest = parts
    problem = _problem_with_name(name)
    if problem:
        return f"the name {problem}"
    held = frozenset(scope for scope in SCOPES if scope in scopes.split(","))
    if len(held) != len(scopes.split(",")):
        return f"the scopes must be {' or '.join(SCOPES)}, or both with a comma between"
    match = _HASH.fullmatch(digest)
    if match is None:
        return "the hash must be sha256: and 64 lower-case hex digits; `loan-default key add` writes such lines"
    return NamedKey(Caller(name, held), bytes.fromhex(match[1]), number)


def _problem_with_name(name: str) -> str | None:
    if not _NAME.fullmatch(name):
        return "must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit"
    if _NAMELESS.fullmatch(name):
        return "must not be eight hex digits, which stand for keys without a name"
    return None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _WRITABLE_BY_OTHERS:
                raise KeysFileError(f"Others may write to {path}, and so give themselves a key: chmod 600 it.")
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise KeysFileError(f"Cannot read {path}: {error.strerror}.") from None
    if len(content) > _MOST_BYTES:
        raise KeysFileError(f"{path} is larger than {_MOST_BYTES:,} bytes: it is no keys file.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise KeysFileError(f"{path} is not UTF-8 text: it is no keys file.") from None


def _change(path: Path, change: Callable[[str], str]) -> None:
    """Put `change` of the file's text in its place: readers see the old file or the new one, never a part of it."""
    target = Path(os.path.realpath(path))  # a link stays a link
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target):
            text = change(_read(target) if target.exists() else "")
            descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # mode 0600
            try:
                # What root changes stays readable for the server's own user.
                owner = (target if target.exists() else target.parent).stat()
                with suppress(PermissionError):
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
                with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                Path(draft).replace(target)
            except BaseException:
                with suppress(OSError):
                    Path(draft).unlink()
                raise
    except OSError as error:
        raise KeysFileError(f"Cannot write {path}: {error.strerror}.") from None


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """One change at a time; the lock is the kernel's and ends with the process."""
    lock = os.open(target.with_name(f".{target.name}.lock"), os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
