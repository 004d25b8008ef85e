"""Restoring: whole back-ups into empty folders, everything or nothing, and hostile files nowhere."""

import errno
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from state_folder import FILES, held

from loan_default.backup import restore as restoring
from loan_default.backup.archive import verified
from loan_default.backup.make import back_up
from loan_default.backup.restore import restore
from loan_default.errors import BackupError
from loan_default.settings import Settings

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def archive(kept: Settings, tmp_path: Path) -> Path:
    """A back-up that is whole."""
    path = tmp_path / "backup.tar"
    back_up(kept, path)
    return path


def refused(settings: Settings, archive: Path) -> str:
    """Why a restore is refused; nothing has happened then."""
    before = held(settings.state)
    with pytest.raises(BackupError) as error:
        restore(settings, archive)
    assert held(settings.state) == before
    assert not (settings.state / ".restoring").exists()
    return error.value.message


def rewritten(archive: Path, change: Callable[[Members], Members]) -> Path:
    """The same archive with other members."""
    with tarfile.open(archive) as tar:
        members = [(member, found.read()) for member in tar if (found := tar.extractfile(member))]
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in change(members):
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return archive


def with_member(name: str, content: bytes = b"x", **fields: object) -> Callable[[Members], Members]:
    """One more member in the middle."""
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return lambda members: [*members[:3], (member, content), *members[3:]]


def listing_all(members: Members) -> Members:
    """A manifest that fits, as somebody who means harm would write it."""
    from hashlib import sha256

    files = {
        member.name.removeprefix("state/"): {
            "size": len(content),
            "written_ns": 0,
            "sha256": sha256(content).hexdigest(),
        }
        for member, content in members[1:-1]
    }
    return [*members[:-1], (members[-1][0], json.dumps({"files": files}).encode())]


def test_a_folder_that_is_not_empty_is_left_alone(archive: Path, elsewhere: Settings) -> None:
    elsewhere.state.mkdir(parents=True)
    (elsewhere.state / "mine").write_text("mine")
    assert "is not empty (mine is there)" in refused(elsewhere, archive)


def test_a_fresh_volume_is_an_empty_folder(archive: Path, elsewhere: Settings) -> None:
    (elsewhere.state / "lost+found").mkdir(parents=True)
    restore(elsewhere, archive)
    assert (elsewhere.state / "api_key").read_text() == FILES["api_key"]


def test_the_folder_it_came_from_is_not_empty(archive: Path, kept: Settings) -> None:
    assert "is not empty" in refused(kept, archive)


def test_a_back_up_that_is_cut_off_is_refused_wherever_it_ends(archive: Path, elsewhere: Settings) -> None:
    content = archive.read_bytes()
    end = content.rindex(b"}}}") + 3
    for length in {*range(0, end, 4096), end - 1, 1, 100, 512, 1024}:
        archive.write_bytes(content[:length])
        assert "backup.tar" in refused(elsewhere, archive)


@pytest.mark.parametrize("ending", ["tar.gz", "tar.zst"])
def test_a_packed_one_too(kept: Settings, elsewhere: Settings, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"packed.{ending}"
    back_up(kept, path)
    content = path.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 20)):
        path.write_bytes(content[:length])
        assert path.name in refused(elsewhere, path)
    path.write_bytes(content[:200] + b"garbage" + content[207:])
    assert path.name in refused(elsewhere, path)


def test_one_wrong_byte_is_found_and_the_file_named(archive: Path, elsewhere: Settings) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b"<p>card</p>", b"<p>cord</p>"))
    assert "mlartifacts/run/artifacts/card.html is not as its manifest says" in refused(elsewhere, archive)


def test_a_file_that_is_missing_or_more_is_found(archive: Path, elsewhere: Settings) -> None:
    whole = archive.read_bytes()
    rewritten(archive, lambda members: [members[0], *members[2:]])
    assert "is not as its manifest says" in refused(elsewhere, archive)
    archive.write_bytes(whole)
    rewritten(archive, with_member("state/more"))
    assert "more is not as its manifest says" in refused(elsewhere, archive)


@pytest.mark.parametrize(
    "name",
    [
        "state/../outside",
        "state//etc/outside",
        "/state/outside",
        "outside",
        "state/",
        "state/a/../../outside",
        "state/./outside",
        "state/a//b",
    ],
)
def test_a_name_that_leads_out_is_refused(archive: Path, elsewhere: Settings, name: str) -> None:
    rewritten(archive, lambda members: listing_all(with_member(name)(members)))
    assert "is no back-up" in refused(elsewhere, archive)
    assert not list(elsewhere.state.parent.parent.rglob("outside"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_anything_but_a_plain_file_is_refused(archive: Path, elsewhere: Settings, kind: bytes) -> None:
    rewritten(archive, with_member("state/link", b"", type=kind, linkname="/etc/passwd"))
    assert "no plain file" in refused(elsewhere, archive)


def test_the_same_name_twice_is_refused(archive: Path, elsewhere: Settings) -> None:
    rewritten(archive, lambda members: [*members[:-1], members[3], members[-1]])
    assert "twice" in refused(elsewhere, archive)


def test_something_behind_the_manifest_is_refused(archive: Path, elsewhere: Settings) -> None:
    rewritten(archive, lambda members: [*members, (tarfile.TarInfo("state/late"), b"x")])
    assert "something follows its manifest" in refused(elsewhere, archive)


def test_another_format_is_refused_and_says_who_made_it(archive: Path, elsewhere: Settings) -> None:
    header = json.dumps({"format": 2, "made_by": "loan-default 9.0", "new": True}).encode()
    rewritten(archive, lambda members: [(members[0][0], header), *members[1:]])
    assert refused(elsewhere, archive) == (
        "backup.tar has format 2, of loan-default 9.0; this version reads format 1. "
        "Restore it with the version that made it."
    )


def test_some_other_tar_is_no_back_up(elsewhere: Settings, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("readme"), io.BytesIO())
    assert "is no back-up" in refused(elsewhere, tmp_path / "other.tar")
    assert "There is no back-up" in refused(elsewhere, tmp_path / "none.tar")


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(
    archive: Path, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    assert "has room for 0 MiB" in refused(elsewhere, archive)


def test_a_restore_that_was_killed_while_it_wrote_begins_anew(archive: Path, elsewhere: Settings) -> None:
    draft = elsewhere.state / ".restoring"
    (draft / "files" / "served").mkdir(parents=True)
    (draft / "files" / "served" / "production.json").write_text("half")
    restore(elsewhere, archive)
    assert held(elsewhere.state) == {name: content.encode("latin-1") for name, content in FILES.items()}


@pytest.mark.parametrize("half", ["", '{"backup": "0a'])
def test_a_mark_that_is_not_whole_counts_as_none(archive: Path, elsewhere: Settings, half: str) -> None:
    """Earlier versions could leave one; files are moved after it only."""
    draft = elsewhere.state / ".restoring"
    (draft / "files" / "served").mkdir(parents=True)
    (draft / "moving").write_text(half)
    restore(elsewhere, archive)
    assert held(elsewhere.state) == {name: content.encode("latin-1") for name, content in FILES.items()}


def test_the_mark_is_there_whole_or_not_at_all(
    archive: Path, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    synced = os.fsync

    def full(descriptor: int) -> None:
        seen.append((elsewhere.state / ".restoring" / "moving").exists())
        synced(descriptor)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in refused(elsewhere, archive)
    assert seen == [False]
    monkeypatch.undo()
    restore(elsewhere, archive)


def test_one_that_was_killed_while_it_moved_is_finished_by_the_same_back_up_alone(
    archive: Path, kept: Settings, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, moved = Path.rename, []

    def killed(self: Path, target: Path) -> Path:
        moved.append(target.name)
        if len(moved) == 4:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        restore(elsewhere, archive)
    monkeypatch.undo()
    assert "served" not in {path.name for path in elsewhere.state.iterdir()}
    other = archive.with_name("other.tar")
    back_up(kept, other)
    with pytest.raises(BackupError, match="restore the same back-up again to finish it"):
        restore(elsewhere, other)
    restore(elsewhere, archive)
    assert held(elsewhere.state) == {name: content.encode("latin-1") for name, content in FILES.items()}
    assert "is not empty" in refused(elsewhere, archive)


def test_two_restores_at_once_do_not_mix(archive: Path, elsewhere: Settings) -> None:
    elsewhere.state.mkdir(parents=True)
    with restoring._draft(elsewhere.state), pytest.raises(BackupError, match="Another restore"):  # noqa: SLF001
        restore(elsewhere, archive)
    restore(elsewhere, archive)


def test_the_manifest_tells_the_size_of_everything(archive: Path, kept: Settings) -> None:
    manifest = verified(archive)
    assert manifest.files["api_key"].size == (kept.state / "api_key").stat().st_size
    assert manifest.size == sum(entry.size for entry in manifest.files.values())
