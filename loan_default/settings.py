"""The only reader of the environment: every setting with its name, default, limits and meaning.

Values come from environment variables, then from a `.env` file in the working folder, then from the defaults here.
`.env.example` and the README list the same settings; a test compares all three.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from loan_default.errors import SettingsError

Stage = Literal["production", "staging"]

_OBJECT_SCHEMES = ("s3://", "gs://")
# Of the drift monitor's key. No key of ours is longer (`security/keys.py`).
_LEAST_KEY, _MOST_KEY = 16, 256
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


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
    api_keys_file: Annotated[
        Path | None, Field(description="File of named keys with scopes, as hashes. Unset: STATE_DIR/api_keys.")
    ] = None
    failed_keys_per_minute: Annotated[
        int, Field(ge=0, description="Wrong keys that an address may send in a minute before it is blocked; 0 = off.")
    ] = 20
    rate_limit_per_minute: Annotated[
        int, Field(ge=0, le=10**12, description="Applicants that a key may have scored in a minute; 0 = off.")
    ] = 100
    redis_url: Annotated[
        SecretStr | None,
        Field(description="Redis in which processes and machines count together. Unset: each process alone."),
    ] = None
    redis_host: Annotated[str | None, Field(description="Redis by its host, when REDIS_URL is unset.")] = None
    redis_port: Annotated[int, Field(ge=1, le=65535, description="Port of REDIS_HOST.")] = 6379
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
    shutdown_delay_s: Annotated[
        float, Field(ge=0, le=20, description="Seconds between saying not ready, at SIGTERM, and stopping.")
    ] = 3.0
    model_watch_s: Annotated[
        float, Field(ge=0, le=3600, description="Seconds between looks for a newly promoted model; 0 switches it off.")
    ] = 2.0
    follow_promotions: Annotated[
        Literal["on", "off"],
        Field(
            description="Whether a Bento takes up what is promoted in STATE_DIR, as a source checkout does; `off`: it "
            "answers with its own model alone."
        ),
    ] = "off"
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
            description="Postgres for recorded decisions and the queue of jobs, "
            "`postgresql://USER:PASSWORD@HOST/NAME`. Unset: files in STATE_DIR."
        ),
    ] = None
    job_worker: Annotated[
        Literal["on", "off"],
        Field(description="Whether the server works on bulk jobs itself; `off` leaves them to `loan-default worker`."),
    ] = "on"
    job_threads: Annotated[
        int, Field(ge=0, le=256, description="Threads that a job may use; 0 takes as many as there are cores.")
    ] = 0
    job_storage_url: Annotated[
        str | None,
        Field(
            description="Where jobs keep their files: a folder that every machine mounts, or `s3://BUCKET/PREFIX`. "
            "Unset: STATE_DIR/jobs/files."
        ),
    ] = None
    job_retention_hours: Annotated[
        float, Field(gt=0, le=1_000_000, description="Finished jobs are removed with their files after so many hours.")
    ] = 168.0
    job_max_waiting: Annotated[
        int, Field(ge=1, description="Bulk jobs of one key that may wait or run at once; more are refused.")
    ] = 100
    job_max_upload_mib: Annotated[
        int, Field(ge=1, description="Most MiB of a portfolio that is sent to be scored in bulk.")
    ] = 4096
    job_max_rows: Annotated[int, Field(ge=1, description="Most rows of a portfolio.")] = 100_000_000
    job_sources: Annotated[
        str | None,
        Field(
            description="Places that portfolios may be named in, separated by commas: folders, `s3://…`, `gs://…`. "
            "Unset: none."
        ),
    ] = None
    drift_psi_threshold: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            description="The population stability index (PSI) from which a shift of the applicants matters.",
        ),
    ] = 0.15
    drift_monitor: Annotated[
        Literal["on", "off"],
        Field(description="Whether a sample of the online predictions is watched for drift."),
    ] = "on"
    drift_url: Annotated[
        str | None,
        Field(description="A drift monitor that runs elsewhere, `http://HOST:PORT`. Unset: the server starts its own."),
    ] = None
    drift_key: Annotated[
        SecretStr | None,
        Field(
            description="The drift monitor's own key, 16 characters or more: set it where DRIFT_URL is. "
            "Unset: it asks for none."
        ),
    ] = None
    drift_sampling_rate: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of the online predictions, and of the rows of jobs that ask for it, that the drift "
            "monitor is told of.",
        ),
    ] = 0.1
    drift_window_size: Annotated[
        int, Field(ge=100, le=1_000_000, description="Samples that are compared with the reference: the latest ones.")
    ] = 1000
    drift_min_samples: Annotated[
        int, Field(ge=50, le=1_000_000, description="Samples from which on there is a verdict; at most a window.")
    ] = 200
    drift_check_interval_s: Annotated[
        float, Field(ge=0.1, le=86_400, description="Seconds between two checks for drift.")
    ] = 60.0
    drift_reference: Annotated[
        Literal["training", "live"],
        Field(description="What applicants are compared with: the `training` rows, or the first `live` samples."),
    ] = "training"
    drift_reference_size: Annotated[
        int, Field(ge=200, le=1_000_000, description="Samples that make a `live` reference.")
    ] = 1000
    otel_exporter_otlp_endpoint: Annotated[
        str | None,
        Field(
            description="Where traces go, by OTLP over HTTP: `http://HOST:4318`. OpenTelemetry's other variables "
            "count, too. Unset: no traces."
        ),
    ] = None
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Lowest level that is logged.")
    ] = "INFO"
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Field(description="`json`, `text`, or `auto`: text on a terminal, JSON everywhere else."),
    ] = "auto"

    @field_validator(
        "model_stage",
        "follow_promotions",
        "log_format",
        "decision_log",
        "job_worker",
        "drift_monitor",
        "drift_reference",
        mode="before",
    )
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator(
        "api_key",
        "api_keys_file",
        "redis_url",
        "redis_host",
        "database_url",
        "drift_url",
        "drift_key",
        "otel_exporter_otlp_endpoint",
        "job_storage_url",
        "mlflow_tracking_uri",
        "bentoml_home",
        "job_sources",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = value.get_secret_value().strip()
        try:
            valid = url.startswith(_REDIS_SCHEMES) and urlsplit(url).port != 0
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(
                f"must be {' or '.join(f'{scheme}…' for scheme in _REDIS_SCHEMES)} with a port from 1 to 65535"
            )
        return SecretStr(url)

    @field_validator("redis_port", mode="before")
    @classmethod
    def _port_of_a_service(cls, value: object) -> object:
        """Kubernetes puts `tcp://10.0.0.1:6379` here, unasked, into every pod beside a Service named redis."""
        return value.rpartition(":")[2] if isinstance(value, str) and value.startswith("tcp://") else value

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("Input should start with postgresql://")
        return value

    @field_validator("drift_url", "otel_exporter_otlp_endpoint")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not (value.startswith(("http://", "https://")) and urlsplit(value).hostname):
            raise ValueError("must be http://HOST:PORT")
        return value

    @field_validator("drift_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        key = value.get_secret_value().strip()
        if not (_LEAST_KEY <= len(key) <= _MOST_KEY and key.isascii() and key.isprintable() and " " not in key):
            raise ValueError(f"must be {_LEAST_KEY} to {_MOST_KEY} characters of ASCII without spaces")
        return SecretStr(key)

    @field_validator("job_storage_url")
    @classmethod
    def _storage(cls, value: str | None) -> str | None:
        if value is None:
            return None
        bucket = value.partition("://")[2].partition("/")[0] if value.startswith(_OBJECT_SCHEMES) else ""
        if not (bucket and "@" not in bucket) and not value.startswith("/"):
            raise ValueError(
                "must be the absolute path of a folder, or s3://BUCKET/PREFIX; keys belong in AWS's own variables"
            )
        return value

    @field_validator("job_sources")
    @classmethod
    def _are_places(cls, value: str | None) -> str | None:
        for place in () if value is None else value.split(","):
            if not place.strip().startswith(("/", "s3://", "gs://")):
                raise ValueError("each place must be a folder that begins with /, or s3://… or gs://…")
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

    @cached_property
    def jobs(self) -> Path:
        """The folder of the jobs' queue, workers and files, as far as they are on this machine."""
        return self.state / "jobs"

    @property
    def drift_watched(self) -> bool:
        """Whether there is a drift monitor: it is on, and there is something for it to see."""
        return self.drift_monitor == "on" and (self.drift_sampling_rate > 0 or self.drift_url is not None)

    @property
    def drift_sampled(self) -> bool:
        """Whether the drift monitor is told of anything."""
        return self.drift_monitor == "on" and self.drift_sampling_rate > 0

    @cached_property
    def drift(self) -> Path:
        """The folder of the drift monitor's windows, absolute."""
        return self.state / "drift"

    @property
    def api_keys(self) -> tuple[str, ...]:
        """The configured keys; empty when there are none."""
        text = "" if self.api_key is None else self.api_key.get_secret_value()
        return tuple(key.strip() for key in text.split(",") if key.strip())

    @property
    def job_max_upload_bytes(self) -> int:
        """Most bytes of a portfolio that is sent."""
        return self.job_max_upload_mib * 2**20

    @property
    def sources(self) -> tuple[str, ...]:
        """The places that portfolios may be named in; empty when there are none."""
        return tuple(place.strip() for place in (self.job_sources or "").split(",") if place.strip())

    @property
    def keys_file(self) -> Path:
        """The file of named keys, absolute; the one of the default place need not be there."""
        path = self.state / "api_keys" if self.api_keys_file is None else self.api_keys_file
        return path.expanduser().absolute()

    @property
    def first_key_file(self) -> Path:
        """Where the random key of the first start is kept."""
        return self.state / "api_key"

    @property
    def redis(self) -> SecretStr | None:
        """The URL of the Redis to count in; None when each process counts alone. It may hold a password."""
        if self.redis_url is None and self.redis_host is not None:
            host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
            return SecretStr(f"redis://{host}:{self.redis_port}/0")
        return self.redis_url


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
