"""Lineage: the commit of the code, the checksum of the lock file, the installed versions."""

import hashlib
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from loan_default.training import lineage
from loan_default.training.lineage import git_commit, libraries, lock_sha256

ROOT = Path(__file__).resolve().parents[2]


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@bank.example", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, "-C", folder, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout of its own with one committed file, taken for the project's folder."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    monkeypatch.setattr(lineage, "_ROOT", tmp_path)
    return tmp_path


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this copy of the project is no git checkout")
def test_the_commit_of_this_checkout_is_40_hexadecimal_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", git_commit() or "none")


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    assert git_commit() == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("staged", [False, True])
def test_a_changed_file_makes_a_commit_dirty(checkout: Path, staged: bool) -> None:
    (checkout / "code.py").write_text("2\n")
    if staged:
        git(checkout, "add", "code.py")
    assert git_commit() == git(checkout, "rev-parse", "HEAD") + "-dirty"


def test_a_file_that_git_does_not_know_is_no_change_of_the_code(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("loans")
    assert git_commit() == git(checkout, "rev-parse", "HEAD")


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "_ROOT", tmp_path)
    assert git_commit() is None


def test_a_checkout_without_a_commit_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet")
    monkeypatch.setattr(lineage, "_ROOT", tmp_path)
    assert git_commit() is None


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 30)])
def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("subprocess.run", failing)
    assert git_commit() is None


def test_the_lock_is_known_by_the_checksum_of_its_file() -> None:
    assert lock_sha256() == hashlib.sha256((ROOT / "requirements" / "dev.txt").read_bytes()).hexdigest()


def test_without_a_lock_file_there_is_no_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "_ROOT", tmp_path)
    assert lock_sha256() is None


def test_the_libraries_are_the_installed_versions() -> None:
    found = libraries()
    assert found["python"] == platform.python_version()
    for name in ("xgboost-cpu", "scikit-learn", "imbalanced-learn", "numpy"):
        assert found[name] == version(name)


def test_a_library_that_is_not_installed_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "_LIBRARIES", ("numpy", "no-such-library"))
    assert libraries()["no-such-library"] == "not installed"
