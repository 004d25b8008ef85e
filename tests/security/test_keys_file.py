"""The file of named keys: what it may hold, and that changing it loses and shows nothing."""

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.errors import KeysFileError
from loan_default.security.keys_file import add_key, read_keys, revoke_key

HASH = "sha256:" + hashlib.sha256(b"a key").hexdigest()
OTHER = "sha256:" + hashlib.sha256(b"another").hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api_keys"


def test_lines_are_keys_comments_or_blank(path: Path) -> None:
    path.write_text(f"# who may call\n\n  # indented\nanalyst score {HASH}\n\tdeploy\toperate,score {OTHER}  \n")
    assert [(key.caller.key_id, sorted(key.caller.scopes), key.line) for key in read_keys(path)] == [
        ("analyst", ["score"], 4),
        ("deploy", ["operate", "score"], 5),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("analyst score", "must be NAME SCOPES sha256:HEX"),
        (f"analyst score {HASH} # mine", "must be NAME SCOPES sha256:HEX"),
        (f"-analyst score {HASH}", "the name must be 1 to 64 letters"),
        (f"{'a' * 65} score {HASH}", "the name must be 1 to 64 letters"),
        (f"deadbeef score {HASH}", "the name must not be eight hex digits"),
        (f"analyst admin {HASH}", "the scopes must be score or operate"),
        (f"analyst score,admin {HASH}", "the scopes must be score or operate"),
        (f"analyst score,score {HASH}", "the scopes must be score or operate"),
        ("analyst score my-secret-key", "the hash must be sha256: and 64 lower-case hex digits"),
        (f"analyst score {HASH.upper()}", "the hash must be sha256:"),
        (f"first score {OTHER}", "its name stands in an earlier line"),
        (f"analyst score {OTHER}\nsecond score {OTHER}", "its hash stands in an earlier line"),
    ],
)
def test_a_wrong_line_is_told_by_its_number_and_never_shown(path: Path, line: str, complaint: str) -> None:
    path.write_text(f"first score {HASH}\n{line}\n")
    with pytest.raises(KeysFileError) as caught:
        read_keys(path)
    number = 2 + line.count("\n")
    assert f"{path}, line {number}: {complaint}" in caught.value.message
    for word in line.split():
        assert len(word) < 10 or word not in caught.value.message


def test_all_wrong_lines_are_told_at_once(path: Path) -> None:
    path.write_text("a\nb\n")
    with pytest.raises(KeysFileError, match=r"line 1: .*; line 2: "):
        read_keys(path)


@pytest.mark.parametrize(
    ("content", "complaint"), [(b"\xff\xfe", "is not UTF-8 text"), (b"#" * 1_100_000, "is larger than")]
)
def test_what_is_no_keys_file_is_told_so(path: Path, content: bytes, complaint: str) -> None:
    path.write_bytes(content)
    with pytest.raises(KeysFileError, match=complaint):
        read_keys(path)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_to_is_refused(path: Path, mode: int) -> None:
    path.touch()
    path.chmod(mode)
    with pytest.raises(KeysFileError, match="chmod 600"):
        read_keys(path)


def test_a_secret_that_others_may_read_is_fine_because_it_holds_hashes(path: Path) -> None:
    path.write_text(f"analyst score {HASH}\n")
    path.chmod(0o444)
    assert len(read_keys(path)) == 1


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_content_does_more_than_be_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(content)
    with suppress(KeysFileError):
        assert all(key.caller.scopes for key in read_keys(path))


def test_an_added_key_is_kept_as_a_hash_in_a_private_file(path: Path) -> None:
    key = add_key(path, "analyst", ["operate", "score"])
    assert len(key) >= 43
    assert path.read_text() == f"analyst score,operate sha256:{hashlib.sha256(key.encode()).hexdigest()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_adding_and_revoking_leave_the_rest_as_it_is(path: Path) -> None:
    before = f"# ours\nfirst score {HASH}\n\n# theirs\nsecond operate {OTHER}"  # no end of line
    path.write_text(before)
    add_key(path, "third", ["score"])
    assert path.read_text().startswith(before + "\nthird score sha256:")
    revoke_key(path, "third")
    assert path.read_text() == before + "\n"
    revoke_key(path, "first")
    assert path.read_text() == f"# ours\n\n# theirs\nsecond operate {OTHER}\n"


def test_a_taken_name_and_an_unknown_one_are_refused(path: Path) -> None:
    add_key(path, "analyst", ["score"])
    whole = path.read_text()
    with pytest.raises(KeysFileError, match="has a key named analyst already"):
        add_key(path, "analyst", ["score"])
    with pytest.raises(KeysFileError, match="has no key of that name"):
        revoke_key(path, "nobody")
    assert path.read_text() == whole


@pytest.mark.parametrize("scopes", [[], ["admin"], ["score", "admin"]])
def test_a_key_without_a_known_scope_is_refused(path: Path, scopes: list[str]) -> None:
    with pytest.raises(KeysFileError, match="score or operate"):
        add_key(path, "analyst", scopes)
    assert not path.exists()


def test_a_broken_file_is_not_changed(path: Path) -> None:
    path.write_text("broken\n")
    with pytest.raises(KeysFileError, match="line 1"):
        add_key(path, "analyst", ["score"])
    assert path.read_text() == "broken\n"


def test_keys_added_at_the_same_time_are_all_there(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add_key(path, f"caller-{number}", ["score"]), range(40)))
    assert {key.caller.key_id for key in read_keys(path)} == {f"caller-{number}" for number in range(40)}
    assert {file.name for file in path.parent.iterdir()} == {"api_keys", ".api_keys.lock"}


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.touch(mode=0o600)
    path.symlink_to(real)
    add_key(path, "analyst", ["score"])
    assert path.is_symlink()
    assert len(read_keys(real)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_changes_stays_readable_for_the_servers_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    for name in ("new", "changed"):
        add_key(tmp_path / "api_keys", name, ["score"])
        status = (tmp_path / "api_keys").stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (12345, 0o600)


def test_a_place_that_cannot_be_written_to_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeysFileError, match=r"Cannot write .*file/api_keys"):
        add_key(tmp_path / "file" / "api_keys", "analyst", ["score"])
