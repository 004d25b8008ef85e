"""`loan-default key`: a key is shown once, a name stands for it, and what is valid is told."""

import json

import pytest
from commands import cli
from typer.testing import Result

from loan_default.security import Caller, load_keys
from loan_default.settings import Settings


@pytest.fixture(autouse=True)
def installed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("STATE_DIR", str(settings.state))
    monkeypatch.chdir(settings.state.parent)


@pytest.fixture
def keyless(settings: Settings) -> Settings:
    return settings.model_copy(update={"api_key": None})


def key(*arguments: str) -> Result:
    return cli("key", *arguments)


def test_the_new_key_alone_goes_to_standard_output(keyless: Settings) -> None:
    done = key("add", "deploy", "--scope", "score", "--scope", "operate")
    assert done.exit_code == 0
    caller = load_keys(keyless)[0].find(done.stdout.strip().encode())
    assert caller is not None
    assert caller == Caller("deploy", frozenset({"score", "operate"}))
    assert "only time" in done.stderr
    assert done.stdout.strip() not in keyless.keys_file.read_text() + done.stderr


def test_without_a_scope_a_key_may_score(keyless: Settings) -> None:
    added = key("add", "analyst").stdout.strip().encode()
    keys = load_keys(keyless)[0]
    assert len(keys) == 1
    assert keys.find(added) == Caller("analyst", frozenset({"score"}))


def test_the_list_names_keys_scopes_and_places_and_shows_no_key(
    keyless: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no key yet" in key("list").stdout
    made = key("add", "analyst").stdout.strip()
    monkeypatch.setenv("API_KEY", "from-the-environment")
    listed = json.loads(key("list", "--json").stdout)
    assert [(entry["scopes"], entry["kept_in"]) for entry in listed] == [
        (["operate", "score"], "API_KEY"),
        (["score"], str(keyless.keys_file)),
    ]
    text = key("list").stdout
    assert "analyst" in text
    assert made not in text
    assert "from-the-environment" not in text


def test_whoever_adds_the_first_named_key_is_told_that_the_random_one_ends(keyless: Settings) -> None:
    load_keys(keyless)
    assert "is not valid any more" in key("add", "analyst").stderr
    assert "is not valid any more" not in key("add", "second").stderr
    key("revoke", "analyst")
    assert "api_key is valid" in key("revoke", "second").stderr


def test_a_revoked_key_is_gone_and_its_name_free_again(keyless: Settings) -> None:
    made = key("add", "analyst").stdout.strip()
    assert key("revoke", "analyst").exit_code == 0
    assert not load_keys(keyless)[0].find(made.encode())
    assert key("add", "analyst").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["revoke", "nobody"], "has no key of that name"),
        (["add", "a b"], "The name of a key must be"),
        (["add", "analyst", "--scope", "admin"], "score or operate"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_with_exit_code_2(arguments: list[str], complaint: str) -> None:
    done = key(*arguments)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
