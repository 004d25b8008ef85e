"""Which model a service answers with: the pointer a promotion sets, or the one model that a Bento carries.

A promotion imports a version into the BentoML store under a tag of its own and then moves one small file, the pointer
of its stage (`STATE_DIR/served/production.json`), in one atomic step. BentoML's `latest` decides nothing. A Bento
carries one pinned model, named in its manifest, and changes it by a rollout; with FOLLOW_PROMOTIONS=on it begins with
that one, and follows the pointer as soon as there is one.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from loan_default.atomic import replacing
from loan_default.errors import ModelUnavailable
from loan_default.locks import locked
from loan_default.settings import Settings, Stage

BENTO_MODEL_NAME = "loan_default"
REGISTERED_NAME = "loan_default_model"

# Where `bentoml.mlflow.import_model` leaves the files of `LoanModel` inside a model's folder in the BentoML store.
LOAN_MODEL_FOLDER = "loan_model"
_SCHEMA = "schema.json"
# Of the pointer's file. One without a number is of the first.
_FORMAT = 1
_INSIDE_THE_STORE = Path("mlflow_model") / "artifacts" / LOAN_MODEL_FOLDER


@dataclass(frozen=True)
class Served:
    """A model in the BentoML store: its tag and where its files are."""

    tag: str
    folder: Path

    @property
    def version(self) -> str:
        """The version in the MLflow registry; tags read `loan_default:VERSION-RUN`."""
        return self.tag.partition(":")[2].partition("-")[0]

    @property
    def model_folder(self) -> Path:
        """What `LoanModel.load` takes."""
        return self.folder / _INSIDE_THE_STORE


def bento_tag(version: str, run_id: str) -> str:
    """The tag of a registered version: no two runs share one, even when a registry starts counting anew."""
    return f"{BENTO_MODEL_NAME}:{version}-{run_id[:8]}"


def point(settings: Settings, stage: Stage, served: Served) -> None:
    """Make `served` the model of `stage`: readers see the old pointer or the new one, never a part of it."""
    pointer = _pointer(settings, stage)
    pointer.parent.mkdir(parents=True, exist_ok=True)
    # Relative to the store, so that state can move to another folder or machine as a whole.
    content = {"format": _FORMAT, "tag": served.tag, "folder": os.path.relpath(served.folder, settings.bentoml_store)}
    with replacing(pointer) as file:
        file.write(json.dumps(content).encode())


def find_served(settings: Settings, source: Path) -> Served:
    """The model to answer with.

    Args:
        settings: whose stage and folders count.
        source: the folder of `service.py`; inside a Bento its manifest stands beside that folder.

    Raises:
        ModelUnavailable: there is none; says how to get one.
    """
    manifest = _manifest(source)
    if manifest is None:
        return pointed(settings, settings.model_stage)
    if is_pinned(settings, source) or not _pointer(settings, settings.model_stage).exists():
        return _pinned(manifest)
    # A Bento's own store, its BENTOML_HOME, is a part of its image; promotions go to the one beside their pointer.
    return _pointed(settings, settings.model_stage, settings.state / "bentoml")


class Following:
    """Announces a running service that follows the pointer of its stage, as long as this object lives.

    It is a shared lock, which the kernel drops when the process dies. There is none inside a Bento that only answers
    with its own model, nor when the state folder cannot be written to, where nobody can promote either.
    """

    def __init__(self, settings: Settings, source: Path) -> None:
        self._lock: int | None = None
        if is_pinned(settings, source):
            return
        with suppress(OSError):
            manifest = _manifest(source)
            if manifest is not None:
                _announce(settings, manifest)  # before the lock: whoever sees the lock finds it
            self._lock = os.open(_followers(settings, settings.model_stage), os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def __del__(self) -> None:
        if self._lock is not None:
            os.close(self._lock)


class ReloadCall:
    """One worker's word to the others of its state folder: take up the model that is promoted now."""

    def __init__(self, settings: Settings, stage: Stage) -> None:
        self._path = settings.state / "served" / f"{stage}.reload"
        self._seen = self._made_at()

    def make(self) -> None:
        """Tell the others. Without a folder to write in there is nobody to tell."""
        with suppress(OSError):
            self._path.touch()
            os.utime(self._path)
        self._seen = self._made_at()

    def is_new(self) -> bool:
        """Whether another worker has made the call since this was asked last."""
        before, self._seen = self._seen, self._made_at()
        return self._seen != before

    def _made_at(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0


@contextmanager
def unless_followed(settings: Settings, stage: Stage) -> Iterator[bool]:
    """Yields whether a running service follows the pointer of `stage`; when none does, none can start meanwhile."""
    _followers(settings, stage).parent.mkdir(parents=True, exist_ok=True)
    with _followers(settings, stage).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield True
        else:
            yield False


def followers_schema(settings: Settings, stage: Stage) -> Path:
    """The declaration that callers of the services that follow `stage` go by.

    Raises:
        ModelUnavailable: they have no model that anybody could call.
    """
    announced = _announced(settings, stage)
    if announced.is_file() and not _pointer(settings, stage).exists():
        return announced  # a Bento began with its own model
    return pointed(settings, stage).model_folder / _SCHEMA


def pointed(settings: Settings, stage: Stage) -> Served:
    """The model that the pointer of `stage` names; raises ModelUnavailable when there is none."""
    return _pointed(settings, stage, settings.bentoml_store)


def pointer_content(settings: Settings, stage: Stage) -> bytes | None:
    """What the pointer of `stage` says, whether it can be understood or not; None when nothing has been promoted."""
    try:
        return _pointer(settings, stage).read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        return b""


def _pointed(settings: Settings, stage: Stage, store: Path) -> Served:
    pointer = _pointer(settings, stage)
    try:
        content = json.loads(pointer.read_text(encoding="utf-8"))
        _check_format(content)
        served = Served(content["tag"], store / content["folder"])
    except FileNotFoundError:
        raise ModelUnavailable(
            f"No model has been promoted to {stage} yet: run `make train` (or `python train.py`), then start again."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(
            f"The pointer {pointer.name} cannot be read ({_reason(error)}): promote a model again."
        ) from error
    if not served.model_folder.is_dir():
        raise ModelUnavailable(
            f"{served.tag} is promoted to {stage}, but is not in the BentoML store: check BENTOML_HOME and STATE_DIR, "
            "or train again."
        )
    return served


def _check_format(content: dict[str, object]) -> None:
    written = content.get("format", 1)
    if written != _FORMAT:
        raise ValueError(f"it is of format {written!r}, of another version of loan-default")


def _reason(error: Exception) -> str:
    """What is wrong, without the file's place: `/readyz` tells it to strangers."""
    return str(error.strerror) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"


def _pinned(manifest: Path) -> Served:
    import bentoml  # deferred: `make serve` asks for the pointer long before it needs BentoML

    content = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    tags = [model["tag"] for service in content.get("services", []) for model in service.get("models", [])]
    tag = next((tag for tag in tags if tag.startswith(f"{BENTO_MODEL_NAME}:")), None)
    if tag is None:
        raise ModelUnavailable("This Bento carries no model: promote one, then build the Bento again.")
    try:
        return Served(tag, Path(bentoml.models.get(tag).path))
    except bentoml.exceptions.NotFound:
        raise ModelUnavailable(f"This Bento's model {tag} is neither inside it nor in the BentoML store.") from None


def _announce(settings: Settings, manifest: Path) -> None:
    """Leave the declaration of a Bento's own model where promotions find it: they cannot look into the Bento."""
    announced = _announced(settings, settings.model_stage)
    announced.parent.mkdir(parents=True, exist_ok=True)
    with suppress(ModelUnavailable, OSError):  # without a model of its own nobody calls it
        content = (_pinned(manifest).model_folder / _SCHEMA).read_bytes()
        with locked(announced.with_suffix(".lock")), replacing(announced) as file:  # each worker does it
            file.write(content)


def is_pinned(settings: Settings, source: Path) -> bool:
    """Whether `source` is inside a Bento whose model never changes."""
    return _manifest(source) is not None and settings.follow_promotions == "off"


def _manifest(source: Path) -> Path | None:
    """The manifest of the Bento that `source` is inside of, if it is."""
    manifest = source.parent / "bento.yaml"
    return manifest if source.name == "src" and manifest.is_file() else None


def _followers(settings: Settings, stage: Stage) -> Path:
    return settings.state / "served" / f"{stage}.followed"


def _announced(settings: Settings, stage: Stage) -> Path:
    return settings.state / "served" / f"{stage}.bento-schema.json"


def _pointer(settings: Settings, stage: Stage) -> Path:
    return settings.state / "served" / f"{stage}.json"
