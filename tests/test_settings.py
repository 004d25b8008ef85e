"""Settings: defaults, letter case, derived places, and errors that name the variable but not its value."""

from pathlib import Path

import pytest

from loan_default.errors import SettingsError
from loan_default.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)  # no .env of this machine


def test_another_state_dir_is_another_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATE_DIR", "elsewhere")
    settings = read_settings()
    assert settings.state == tmp_path / "elsewhere"
    assert settings.bentoml_store == tmp_path / "elsewhere" / "bentoml"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/elsewhere/mlflow.db"


def test_places_can_be_named_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5001")
    settings = read_settings()
    assert settings.bentoml_store == tmp_path / "home"
    assert settings.tracking_uri == "http://mlflow:5001"


@pytest.mark.parametrize("stage", ["production", "Production", " PRODUCTION "])
def test_the_stage_takes_any_letter_case(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    monkeypatch.setenv("MODEL_STAGE", stage)
    assert read_settings().model_stage == "production"


@pytest.mark.parametrize(
    "name",
    [
        "API_KEY",
        "API_KEYS_FILE",
        "REDIS_URL",
        "REDIS_HOST",
        "MLFLOW_TRACKING_URI",
        "BENTOML_HOME",
        "DATABASE_URL",
        "JOB_SOURCES",
        "DRIFT_KEY",
    ],
)
def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, " ")
    assert read_settings() == Settings(_env_file=None)


@pytest.mark.parametrize("mode", ["Required", " best-effort ", "OFF"])
def test_the_decision_log_takes_any_letter_case(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setenv("DECISION_LOG", mode)
    assert read_settings().decision_log == mode.strip().lower()


@pytest.mark.parametrize("url", ["mysql://u:hidden@h/d", "hidden", "sqlite:///hidden"])
def test_an_address_of_another_database_is_refused_without_its_text(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert "DATABASE_URL: " in caught.value.message
    assert "hidden" not in caught.value.message


def test_the_databases_password_never_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hidden@h/d")
    assert "hidden" not in repr(read_settings()) + str(read_settings().model_dump())


def test_several_keys_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "new-key, old-key,")
    assert read_settings().api_keys == ("new-key", "old-key")


def test_a_key_never_shows_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "top-secret")
    assert "top-secret" not in repr(read_settings()) + str(read_settings())


def test_redis_is_its_url_or_its_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def redis() -> str | None:
        url = read_settings().redis
        return None if url is None else url.get_secret_value()

    assert redis() is None
    monkeypatch.setenv("REDIS_PORT", "6380")
    assert redis() is None
    monkeypatch.setenv("REDIS_HOST", "redis")
    assert redis() == "redis://redis:6380/0"
    monkeypatch.setenv("REDIS_URL", " rediss://:top-secret@redis/1 ")
    assert redis() == "rediss://:top-secret@redis/1"
    assert "top-secret" not in repr(read_settings())


def test_a_redis_has_an_ipv6_address_or_the_port_kubernetes_makes_of_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_HOST", "fd00::1")
    monkeypatch.setenv("REDIS_PORT", "tcp://10.0.0.1:6380")
    url = read_settings().redis
    assert url is not None
    assert url.get_secret_value() == "redis://[fd00::1]:6380/0"


@pytest.mark.parametrize("url", ["localhost:6379", "http://:secret@redis", "redis://:secret@redis:port"])
def test_what_is_no_redis_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(SettingsError, match=r"REDIS_URL: Value error, must be redis://… or ") as caught:
        read_settings()
    assert "secret" not in caught.value.message


def test_the_drift_monitors_key_is_long_and_never_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFT_KEY", " hidden-for-nobody-to-see ")
    key = read_settings().drift_key
    assert key is not None
    assert key.get_secret_value() == "hidden-for-nobody-to-see"
    assert "hidden" not in repr(read_settings())
    for wrong in ("hidden", "hidden" * 50, "hidden but in words", "hidden-ümlauts-are-none"):
        monkeypatch.setenv("DRIFT_KEY", wrong)
        with pytest.raises(SettingsError, match="DRIFT_KEY: Value error, must be 16 to 256 characters") as caught:
            read_settings()
        assert "hidden" not in caught.value.message


def test_the_keys_file_has_a_place_of_its_own_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read_settings().keys_file == tmp_path / "state" / "api_keys"
    monkeypatch.setenv("API_KEYS_FILE", "mounted/keys")
    assert read_settings().keys_file == tmp_path / "mounted" / "keys"


def test_a_dot_env_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=4000\nWORKERS=3\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("PORT", "5000")
    assert (read_settings().port, read_settings().workers) == (5000, 3)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("MODEL_STAGE", "canary", "MODEL_STAGE: Input should be 'production' or 'staging'"),
        ("PORT", "99999", "PORT: Input should be less than or equal to 65535"),
        ("DECISION_LOG", "perhaps", "DECISION_LOG: Input should be 'best-effort', 'required' or 'off'"),
        ("DECISION_LOG_RETENTION_DAYS", "0", "DECISION_LOG_RETENTION_DAYS: Input should be greater than or equal to 1"),
        ("WORKERS", "none", "WORKERS: Input should be a valid integer"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert complaint in caught.value.message
    assert value not in caught.value.message.replace(complaint, "")


@pytest.mark.parametrize("url", ["monitor:3001", "http://", "ftp://monitor", "unix:///tmp/s"])
def test_the_address_of_a_drift_monitor_is_a_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DRIFT_URL", url)
    with pytest.raises(SettingsError, match=r"DRIFT_URL: .*http://HOST:PORT"):
        read_settings()


@pytest.mark.parametrize(
    ("variables", "watched"),
    [
        ({}, True),
        ({"DRIFT_MONITOR": "OFF"}, False),
        ({"DRIFT_SAMPLING_RATE": "0"}, False),
        ({"DRIFT_SAMPLING_RATE": "0", "DRIFT_URL": "http://monitor:3001"}, True),
    ],
)
def test_there_is_a_drift_monitor_unless_it_is_off_or_would_see_nothing(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], watched: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert read_settings().drift_watched is watched
