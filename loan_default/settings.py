"""The only reader of the environment: every setting with its name, default, limits and meaning.

Values come from environment variables, then from a `.env` file in the working folder, then from the defaults here.
`.env.example` and the README list the same settings; a test compares all three.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from loan_default.errors import SettingsError

Stage = Literal["production", "staging"]


class Settings(BaseSettings):
    """What an operator can set. Use `read_settings` to get one with a readable error."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    state_dir: Annotated[
        Path, Field(description="Folder of everything that must outlive a restart: models, runs, keys.")
    ] = Path("state")
    api_key: Annotated[
        SecretStr | None,
        Field(description="Keys of callers, separated by commas. Unset: a random one in STATE_DIR/api_key."),
    ] = None
    model_stage: Annotated[
        Stage, Field(description="Which model to serve: `production` or `staging` (any letter case).")
    ] = "production"
    mlflow_tracking_uri: Annotated[
        str | None, Field(description="MLflow server or store. Unset: an SQLite store in STATE_DIR.")
    ] = None
    bentoml_home: Annotated[
        Path | None, Field(description="BentoML's store of models and Bentos. Unset: STATE_DIR/bentoml.")
    ] = None
    host: Annotated[str, Field(description="Address that `make serve` listens on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="Port that `make serve` listens on.")] = 3000
    workers: Annotated[int, Field(ge=1, le=64, description="Online worker processes.")] = 1
    decision_log: Annotated[
        Literal["best-effort", "required", "off"],
        Field(
            description="Whether decisions are recorded: `best-effort` (what cannot be is counted), `required` "
            "(no answer without a record) or `off`."
        ),
    ] = "best-effort"
    decision_log_retention_days: Annotated[
        int, Field(ge=1, le=36_500, description="Recorded decisions are removed after so many days.")
    ] = 800
    decision_log_max_mib: Annotated[
        int,
        Field(
            ge=1,
            description="Most MiB of STATE_DIR/decisions; beyond, nothing new is recorded, and nothing old removed.",
        ),
    ] = 10_240
    database_url: Annotated[
        SecretStr | None,
        Field(
            description="Postgres for recorded decisions, `postgresql://USER:PASSWORD@HOST/NAME`. "
            "Unset: files in STATE_DIR."
        ),
    ] = None
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Lowest level that is logged.")
    ] = "INFO"
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Field(description="`json`, `text`, or `auto`: text on a terminal, JSON everywhere else."),
    ] = "auto"

    @field_validator("model_stage", "log_format", "decision_log", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("api_key", "mlflow_tracking_uri", "bentoml_home", "database_url", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("Input should start with postgresql://")
        return value

    @cached_property
    def state(self) -> Path:
        """`STATE_DIR`, absolute."""
        return self.state_dir.expanduser().absolute()

    @cached_property
    def bentoml_store(self) -> Path:
        """The folder BentoML must take for its home, absolute."""
        home = self.state / "bentoml" if self.bentoml_home is None else self.bentoml_home
        return home.expanduser().absolute()

    @cached_property
    def tracking_uri(self) -> str:
        """Where MLflow keeps runs and the registry."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.mlflow_database}"

    @cached_property
    def mlflow_database(self) -> Path:
        """Our own MLflow store, for when no other is named."""
        return self.state / "mlflow.db"

    @property
    def api_keys(self) -> tuple[str, ...]:
        """The configured keys; empty when there are none."""
        text = "" if self.api_key is None else self.api_key.get_secret_value()
        return tuple(key.strip() for key in text.split(",") if key.strip())


def read_settings() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: names each variable that is wrong and what it may hold, without its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"{str(problem['loc'][0]).upper()}: {problem['msg']}" for problem in error.errors(include_input=False)
        )
        raise SettingsError(f"Check the environment or .env: {problems}") from None
