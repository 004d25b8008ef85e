"""Making a back-up: what is in it, whose it is, and that it is there whole or not at all."""

import os
import shutil
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from state_folder import DATABASES, FILES, held, write

from loan_default.backup import make
from loan_default.backup.archive import Writer, verified
from loan_default.backup.contents import Contents
from loan_default.backup.make import back_up
from loan_default.backup.restore import restore
from loan_default.errors import BackupError
from loan_default.settings import Settings


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.zst"])
def test_everything_comes_back_and_nothing_else(
    kept: Settings, elsewhere: Settings, tmp_path: Path, ending: str
) -> None:
    archive = tmp_path / f"backup.{ending}"
    made = back_up(kept, archive)
    assert set(made.manifest.files) == set(FILES) | DATABASES
    restored = restore(elsewhere, archive)
    assert restored == made.manifest
    assert held(elsewhere.state) == {name: content.encode("latin-1") for name, content in FILES.items()}
    for name in DATABASES:
        with closing(sqlite3.connect(elsewhere.state / name)) as connection:
            assert connection.execute("SELECT value FROM kept").fetchall() == [(0,)]


def test_a_back_up_and_what_is_restored_belong_to_their_owner_alone(
    kept: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    archive = tmp_path / "backup.tar"
    back_up(kept, archive)
    restore(elsewhere, archive)
    for path in [archive, *(path for path in elsewhere.state.rglob("*"))]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_each_file_is_as_old_as_it_was(kept: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    """A job takes its portfolio for another one otherwise."""
    job = kept.state / "jobs" / "files" / ("a" * 32) / "job.json"
    os.utime(job, ns=(1_700_000_000_123_456_789,) * 2)
    back_up(kept, tmp_path / "backup.tar.gz")
    restore(elsewhere, tmp_path / "backup.tar.gz")
    restored = elsewhere.state / job.relative_to(kept.state)
    assert restored.stat().st_mtime_ns == job.stat().st_mtime_ns


def test_jobs_can_be_left_out(kept: Settings, tmp_path: Path) -> None:
    made = back_up(kept, tmp_path / "backup.tar", jobs=False)
    assert not made.manifest.header.jobs
    assert set(made.manifest.files) == {name for name in {*FILES, *DATABASES} if not name.startswith("jobs/")}


def test_what_is_no_state_and_what_is_elsewhere_is_said(kept: Settings, tmp_path: Path) -> None:
    named = kept.model_copy(update={"mlflow_tracking_uri": "http://mlflow:5000", "job_storage_url": "/mnt/jobs"})
    made = back_up(named, tmp_path / "backup.tar")
    assert made.unknown == ["benchmarks"]
    assert made.elsewhere == ["API_KEY", "JOB_STORAGE_URL", "MLFLOW_TRACKING_URI"]


@pytest.mark.parametrize(
    ("keys", "store"),
    [("keys/api_keys", "store"), ("keys", "deep/down/store"), ("store/keys", "store"), ("keys/api_keys", ".")],
)
def test_other_places_in_the_folder_are_in_it_and_come_back_there(
    kept: Settings, elsewhere: Settings, tmp_path: Path, keys: str, store: str
) -> None:
    moved = {
        keys if name == "api_keys" else os.path.normpath(name.replace("bentoml/", f"{store}/", 1)): content
        for name, content in FILES.items()
    }
    shutil.rmtree(kept.state / "bentoml")
    (kept.state / "api_keys").unlink()
    write(kept.state, moved)
    named = kept.model_copy(update={"api_keys_file": kept.state / keys, "bentoml_home": kept.state / store})
    made = back_up(named, tmp_path / "backup.tar")
    assert set(made.manifest.files) == set(moved) | DATABASES
    assert made.elsewhere == ["API_KEY"]
    assert made.unknown == ["benchmarks"]
    restore(elsewhere, tmp_path / "backup.tar")
    assert held(elsewhere.state) == {name: content.encode("latin-1") for name, content in moved.items()}
    assert stat.S_IMODE((elsewhere.state / keys).stat().st_mode) == 0o600


def test_what_is_beside_another_place_is_said(kept: Settings, tmp_path: Path) -> None:
    write(kept.state, {"keys/api_keys": FILES["api_keys"], "keys/readme": "mine", "other/mine": ""})
    named = kept.model_copy(update={"api_keys_file": kept.state / "keys" / "api_keys"})
    assert back_up(named, tmp_path / "backup.tar").unknown == ["benchmarks", "keys/readme", "other"]


def test_places_that_only_seem_to_be_in_the_folder_are_elsewhere(kept: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"apart/keys": FILES["api_keys"], "apart/store/models/loan_default/1/model.yaml": ""})
    (kept.state / "link").symlink_to(tmp_path / "apart")
    places = {"api_keys_file": kept.state / ".." / "apart" / "keys", "bentoml_home": kept.state / "link" / "store"}
    made = back_up(kept.model_copy(update=places), tmp_path / "backup.tar")
    assert made.elsewhere == ["API_KEY", "API_KEYS_FILE", "BENTOML_HOME"]
    assert set(made.manifest.files) == set(FILES) | DATABASES


def test_a_folder_that_is_a_link_holds_what_is_in_it(kept: Settings, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(kept.state)
    linked = Settings(_env_file=None, state_dir=link, bentoml_home=kept.state / "bentoml")
    made = back_up(linked, tmp_path / "backup.tar")
    assert set(made.manifest.files) == set(FILES) | DATABASES
    assert {"API_KEYS_FILE", "BENTOML_HOME"}.isdisjoint(made.elsewhere)


def test_a_file_that_is_there_is_never_written_over(kept: Settings, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar"
    archive.write_text("mine")
    with pytest.raises(BackupError, match="is there already"):
        back_up(kept, archive)
    assert archive.read_text() == "mine"


def test_one_that_came_meanwhile_is_not_written_over_either(
    kept: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "backup.tar"
    unknown = Contents.files

    def files(self: Contents) -> object:
        archive.write_text("mine")
        return unknown(self)

    monkeypatch.setattr(Contents, "files", files)
    with pytest.raises(BackupError, match="is there already"):
        back_up(kept, archive)
    assert [path.name for path in tmp_path.glob("*backup*")] == ["backup.tar"]
    assert archive.read_text() == "mine"


@pytest.mark.parametrize("name", ["backup.zip", "backup", "backup.tar.bz2"])
def test_the_name_says_how_it_is_packed(kept: Settings, tmp_path: Path, name: str) -> None:
    with pytest.raises(BackupError, match=r"must end in \.tar, \.tar\.gz, \.tar\.zst"):
        back_up(kept, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_an_empty_folder_is_nothing_to_back_up(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="nothing to back up"):
        back_up(settings, tmp_path / "backup.tar")
    assert not (tmp_path / "backup.tar").exists()


def test_a_target_that_cannot_be_written_is_one_sentence(kept: Settings, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="cannot be made: No such file or directory"):
        back_up(kept, tmp_path / "none" / "backup.tar")


def test_a_broken_database_is_one_sentence_and_leaves_nothing(kept: Settings, tmp_path: Path) -> None:
    (kept.state / "mlflow.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(BackupError, match="cannot be copied: file is not a database"):
        back_up(kept, tmp_path / "backup.tar")
    assert not list(tmp_path.glob("*backup*"))


def test_where_files_cannot_be_nameless_a_draft_goes_away(
    kept: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    back_up(kept, tmp_path / "backup.tar")
    with pytest.raises(BackupError):
        back_up(kept, tmp_path / "backup.tar")
    assert [path.name for path in tmp_path.glob("*backup*")] == ["backup.tar"]
    assert verified(tmp_path / "backup.tar").files.keys() >= FILES.keys()


def test_files_that_come_in_the_place_of_others_meanwhile_are_in_it(
    kept: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job's parts become its results while they are read."""
    folder = f"jobs/files/{'a' * 32}"
    add = make._add  # noqa: SLF001  # what is read next vanishes

    def gathers(archive: Writer, path: Path, name: str) -> None:
        if name.endswith(".part"):
            path.unlink()
            write(kept.state, {f"{folder}/results.parquet": "results"})
        add(archive, path, name)

    monkeypatch.setattr(make, "_add", gathers)
    names = back_up(kept, tmp_path / "backup.tar").manifest.files.keys()
    assert f"{folder}/results.parquet" in names
    assert f"{folder}/parts/000000.part" not in names


def test_decisions_that_are_written_meanwhile_do_no_harm(
    kept: Settings, elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (segment,) = (kept.state / "decisions").glob("*.jsonl")
    before = segment.read_bytes()
    measured = os.fstat

    def grows(descriptor: int) -> object:
        found = measured(descriptor)
        with segment.open("ab") as file:
            file.write(b'{"id":"3"}\n')
        return found

    monkeypatch.setattr(os, "fstat", grows)
    back_up(kept, tmp_path / "backup.tar")
    monkeypatch.undo()
    restore(elsewhere, tmp_path / "backup.tar")
    restored = (elsewhere.state / "decisions" / segment.name).read_bytes()
    assert restored.startswith(before)
    assert segment.read_bytes().startswith(restored)


def test_a_file_that_gets_shorter_is_said_by_name(
    kept: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = kept.state / "mlartifacts" / "run" / "artifacts" / "card.html"
    measured = os.fstat

    def cut(descriptor: int) -> object:
        found = measured(descriptor)
        if found.st_ino == card.stat().st_ino:
            card.write_text("")
        return found

    monkeypatch.setattr(os, "fstat", cut)
    with pytest.raises(BackupError, match=r"mlartifacts/run/artifacts/card\.html became shorter"):
        back_up(kept, tmp_path / "backup.tar")
    assert not list(tmp_path.glob("*backup*"))


def test_links_are_not_followed_out_of_the_folder(kept: Settings, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (kept.state / "mlartifacts" / "run" / "link").symlink_to(tmp_path / "secret")
    back_up(kept, tmp_path / "backup.tar")
    with tarfile.open(tmp_path / "backup.tar") as tar:
        assert not [member for member in tar if not member.isreg() or member.name.endswith("link")]
