"""`loan-default backup` and `restore`: what they print and how they end."""

import subprocess
import sys
from pathlib import Path

import pytest
from commands import cli
from installation import ROOT, environment
from state_folder import FILES, write


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path / "state", FILES | {"mine": ""})
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("API_KEY", raising=False)
    return tmp_path / "state"


def test_they_say_what_they_did_and_what_they_did_not(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:s3cret@localhost/loans")
    archive = tmp_path / "b.tar.zst"
    made = cli("backup", archive)
    assert made.exit_code == 0
    assert f"Backed up {state} to {archive}: {len(FILES)} files, 0.0 MiB." in made.output
    assert "kept elsewhere: what DATABASE_URL names." in made.output
    assert "no state: mine." in made.output
    checked = cli("restore", "--check", archive)
    assert checked.exit_code == 0
    assert f"is whole: {len(FILES)} files, 0.0 MiB, with bulk jobs, made by loan-default" in checked.output
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "there"))
    restored = cli("restore", archive)
    assert restored.exit_code == 0
    assert f"Restored {len(FILES)} files" in restored.output
    for shown in (made, checked, restored):
        assert "s3cret" not in shown.output
        assert FILES["api_key"].strip() not in shown.output


def test_what_cannot_be_done_is_one_sentence_and_exit_code_2(state: Path, tmp_path: Path) -> None:
    assert state.is_dir()
    for arguments in (("backup", "b.zip"), ("restore", tmp_path / "none.tar"), ("restore", "--check", "none.tar")):
        done = cli(*arguments)
        assert done.exit_code == 2
        assert done.output.startswith("error: ")
        assert done.output.count("\n") == 1


def test_standard_output_holds_the_back_up_alone(state: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loan_default.cli", "backup", "-"],
        cwd=ROOT,
        env=environment(state),
        capture_output=True,
        timeout=60,
        check=True,
    )
    (tmp_path / "piped.tar").write_bytes(done.stdout)
    assert cli("restore", "--check", tmp_path / "piped.tar").exit_code == 0
    assert b"to standard output" in done.stderr
