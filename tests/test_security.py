"""API keys: the random one is made once and kept private; comparison accepts ours and nothing else."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from loan_default.errors import SettingsError
from loan_default.security import Keys, load_keys
from loan_default.settings import Settings


@pytest.fixture
def keyless(settings: Settings) -> Settings:
    return settings.model_copy(update={"api_key": None})


def test_configured_keys_are_accepted_and_nothing_else(settings: Settings) -> None:
    keys, file = load_keys(settings)
    assert file is None
    assert keys.accepts(b"first-key")
    assert keys.accepts(b"second-key")
    for wrong in (b"", b"first-key,second-key", b"first-key ", b"FIRST-KEY", b"\xff\x00"):
        assert not keys.accepts(wrong)


def test_no_keys_accept_nothing() -> None:
    assert not Keys([]).accepts(b"")


def test_the_random_key_is_long_private_and_kept(keyless: Settings) -> None:
    keys, file = load_keys(keyless)
    assert file is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = file.read_bytes().strip()
    assert len(key) >= 43  # 32 random bytes
    again, _ = load_keys(keyless)
    assert keys.accepts(key)
    assert again.accepts(key)
    assert [path.name for path in file.parent.iterdir()] == ["api_key"]


def test_workers_that_start_together_agree_on_one_key(keyless: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: load_keys(keyless)[0], range(8)))
    key = (keyless.state / "api_key").read_bytes().strip()
    assert all(keys.accepts(key) for keys in made)


def test_a_key_file_that_others_may_read_is_made_private(keyless: Settings) -> None:
    _, file = load_keys(keyless)
    assert file is not None
    file.chmod(0o644)
    load_keys(keyless)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_empty_key_file_is_refused_rather_than_opening_the_door(keyless: Settings) -> None:
    keyless.state.mkdir(parents=True)
    (keyless.state / "api_key").touch()
    with pytest.raises(SettingsError, match="is empty"):
        load_keys(keyless)


def test_a_state_folder_that_cannot_be_made_is_a_clear_error(keyless: Settings) -> None:
    keyless.state.write_text("a file, not a folder")
    with pytest.raises(SettingsError, match="No API_KEY is set"):
        load_keys(keyless)
