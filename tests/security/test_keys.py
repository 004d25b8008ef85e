"""Which keys are valid: those configured, or the random one, made once and kept private; changes are taken up."""

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loan_default.errors import KeysFileError, SettingsError
from loan_default.security import Caller, KeyRing, Keys, load_keys
from loan_default.security.keys import MOST_KEY_BYTES, valid_keys
from loan_default.security.keys_file import add_key, revoke_key
from loan_default.settings import Settings


@pytest.fixture
def keyless(settings: Settings) -> Settings:
    return settings.model_copy(update={"api_key": None})


def test_configured_keys_are_accepted_and_nothing_else(settings: Settings) -> None:
    keys, file = load_keys(settings)
    assert file is None
    assert keys.find(b"first-key")
    assert keys.find(b"second-key")
    for wrong in (b"", b"first-key,second-key", b"first-key ", b"FIRST-KEY", b"\xff\x00"):
        assert not keys.find(wrong)


def test_no_keys_accept_nothing() -> None:
    assert not Keys().find(b"")


def test_a_key_longer_than_any_is_not_even_hashed() -> None:
    long = b"k" * (MOST_KEY_BYTES + 1)
    keys = Keys([(hashlib.sha256(long).digest(), Caller("long", frozenset({"score"})))])
    assert not keys.find(long)


def test_a_key_without_a_name_holds_every_scope_and_is_known_by_its_digest(settings: Settings) -> None:
    caller = load_keys(settings)[0].find(b"first-key")
    assert caller == Caller(hashlib.sha256(b"first-key").hexdigest()[:8], frozenset({"score", "operate"}))


def test_named_keys_stand_beside_those_of_the_environment(settings: Settings) -> None:
    key = add_key(settings.keys_file, "analyst", ["score"])
    keys, _ = load_keys(settings)
    assert keys.find(key.encode()) == Caller("analyst", frozenset({"score"}))
    assert keys.find(b"first-key")


def test_a_key_in_both_places_has_the_scopes_of_the_file(settings: Settings) -> None:
    settings.state.mkdir(parents=True)
    settings.keys_file.write_text(f"narrow score sha256:{hashlib.sha256(b'first-key').hexdigest()}\n")
    assert load_keys(settings)[0].find(b"first-key") == Caller("narrow", frozenset({"score"}))


def test_the_random_key_is_long_private_and_kept(keyless: Settings) -> None:
    keys, file = load_keys(keyless)
    assert file is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = file.read_bytes().strip()
    assert len(key) >= 43  # 32 random bytes
    again, _ = load_keys(keyless)
    assert keys.find(key)
    assert again.find(key)
    assert [path.name for path in file.parent.iterdir()] == ["api_key"]


def test_workers_that_start_together_agree_on_one_key(keyless: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: load_keys(keyless)[0], range(8)))
    key = keyless.first_key_file.read_bytes().strip()
    assert all(keys.find(key) for keys in made)


def test_the_random_key_counts_only_while_there_is_no_other(keyless: Settings) -> None:
    _, file = load_keys(keyless)
    assert file is not None
    first = file.read_bytes().strip()
    add_key(keyless.keys_file, "analyst", ["score"])
    keys, none = load_keys(keyless)
    assert (len(keys), keys.find(first), none) == (1, None, None)
    revoke_key(keyless.keys_file, "analyst")
    assert load_keys(keyless)[0].find(first)


def test_no_random_key_is_made_beside_named_ones(keyless: Settings) -> None:
    add_key(keyless.keys_file, "analyst", ["score"])
    load_keys(keyless)
    assert not keyless.first_key_file.exists()


def test_a_key_file_that_others_may_read_is_made_private(keyless: Settings) -> None:
    _, file = load_keys(keyless)
    assert file is not None
    file.chmod(0o644)
    load_keys(keyless)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_empty_key_file_is_refused_rather_than_opening_the_door(keyless: Settings) -> None:
    keyless.state.mkdir(parents=True)
    keyless.first_key_file.touch()
    with pytest.raises(SettingsError, match="is empty"):
        load_keys(keyless)


def test_a_state_folder_that_cannot_be_made_is_a_clear_error(keyless: Settings) -> None:
    keyless.state.write_text("a file, not a folder")
    with pytest.raises(SettingsError, match="No API_KEY is set"):
        load_keys(keyless)


def test_a_keys_file_that_was_named_must_be_there(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(KeysFileError, match=r"Cannot read .*mounted/keys: No such file"):
        load_keys(settings.model_copy(update={"api_keys_file": tmp_path / "mounted" / "keys"}))


def test_a_running_server_takes_up_added_and_revoked_keys(settings: Settings) -> None:
    ring = KeyRing(settings)
    assert not ring.refresh()
    key = add_key(settings.keys_file, "analyst", ["score"]).encode()
    assert not ring.keys().find(key)
    assert ring.refresh()
    assert ring.keys().find(key)
    revoke_key(settings.keys_file, "analyst")
    assert ring.refresh()
    assert not ring.keys().find(key)
    assert not ring.refresh()


def test_a_secret_that_kubernetes_swaps_behind_links_is_taken_up(settings: Settings, tmp_path: Path) -> None:
    first, second = (
        add_key(tmp_path / version / "api_keys", f"caller-{version}", ["score"]).encode() for version in ("1", "2")
    )
    data, mounted = tmp_path / "..data", tmp_path / "api_keys"
    data.symlink_to("1")
    mounted.symlink_to("..data/api_keys")
    ring = KeyRing(settings.model_copy(update={"api_keys_file": mounted}))
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").replace(data)
    assert ring.refresh()
    assert ring.keys().find(first) is None
    assert ring.keys().find(second) == Caller("caller-2", frozenset({"score"}))


@pytest.mark.parametrize("harm", ["broken", "gone", "writable"])
def test_a_broken_keys_file_keeps_the_keys_and_is_told_once(settings: Settings, logged: list[str], harm: str) -> None:
    path = settings.keys_file
    key = add_key(path, "analyst", ["score"]).encode()
    ring = KeyRing(settings)
    whole = path.read_text()
    logged.clear()
    if harm == "broken":
        path.write_text("analyst score hunter2hunter2hunter2\n")
    elif harm == "gone":
        path.unlink()
    else:
        path.write_text(whole + "#\n")
        path.chmod(0o666)
    for _ in range(3):
        assert not ring.refresh()
        assert ring.keys().find(key)
    assert [line.split()[0] for line in logged] == ["ERROR"]
    assert "hunter2" not in logged[0]
    path.unlink(missing_ok=True)
    path.write_text("")
    assert ring.refresh()
    assert not ring.keys().find(key)


def test_short_keys_of_the_environment_are_warned_of_without_showing_them(
    settings: Settings, logged: list[str]
) -> None:
    KeyRing(settings)
    (line,) = logged
    assert line.startswith("WARNING 2 of the keys in API_KEY are shorter than 16 characters")
    assert "first-key" not in line


def test_the_start_names_the_file_of_the_random_key_and_not_the_key(keyless: Settings, logged: list[str]) -> None:
    KeyRing(keyless)
    assert str(keyless.first_key_file) in logged[0]
    assert keyless.first_key_file.read_text().strip() not in "".join(logged)


def test_asking_who_may_call_makes_no_key(keyless: Settings) -> None:
    assert valid_keys(keyless) == []
    assert not keyless.state.exists()
    load_keys(keyless)
    ((caller, kept_in),) = valid_keys(keyless)
    assert caller.scopes == {"score", "operate"}
    assert kept_in == os.fspath(keyless.first_key_file)
