"""A file is replaced whole, or stays as it was."""

from pathlib import Path

import pytest

from loan_default.atomic import replacing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"old")
    return tmp_path / "file"


def test_the_new_content_is_there_when_the_block_has_ended(path: Path) -> None:
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_an_error_leaves_the_old_content_and_nothing_else(path: Path) -> None:
    def half_written() -> None:
        with replacing(path) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_written()
    assert path.read_bytes() == b"old"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_the_draft_of_a_killed_writer_is_overwritten(path: Path) -> None:
    path.with_name("file.tmp").write_bytes(b"half of something longer")
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert [each.name for each in path.parent.iterdir()] == ["file"]
