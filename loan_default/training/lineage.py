"""What a training was made of, besides data and options: code, locked packages, installed versions."""

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_LIBRARIES = ("xgboost-cpu", "imbalanced-learn", "scikit-learn", "numpy", "pandas", "mlflow", "bentoml", "optuna")


def git_commit() -> str | None:
    """The commit of this code, marked `-dirty` when files differ from it; None outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    return f"{commit}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else commit


def lock_sha256() -> str | None:
    """Checksum of the lock file that the environment was made from; None when it is not there."""
    lock = _ROOT / "requirements" / "dev.txt"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None


def libraries() -> dict[str, str]:
    """The installed versions that can change a model."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  # fixed arguments
            # The code may be another user's than the one who trains; what it is called is all that is asked for.
            ["git", "-C", str(_ROOT), "-c", f"safe.directory={_ROOT}", *arguments],  # noqa: S607  # like any program
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
