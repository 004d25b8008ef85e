"""Files in a folder: whole or not there at all."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loan_default.storage import LocalFolder, Sink


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path / "job")


def test_a_file_is_there_when_it_is_whole(folder: LocalFolder) -> None:
    with folder.writing("parts/000000.part") as file:
        file.write(b"one ")
        assert folder.names() == set()
        file.write(b"two")
    assert folder.names() == {"parts/000000.part"}
    assert folder.read("parts/000000.part") == b"one two"
    assert folder.size("parts/000000.part") == 7
    place = folder.place("parts/000000.part")
    with place.fs.open_input_file(place.path) as found:
        assert found.read() == b"one two"


def test_what_goes_wrong_while_writing_leaves_what_was_there(folder: LocalFolder, tmp_path: Path) -> None:
    folder.write("x", b"old")
    nothing: Any = None
    with pytest.raises(TypeError), folder.writing("x") as file:
        file.write(b"new"), file.write(nothing)
    assert folder.read("x") == b"old"
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["x"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_large_content_is_written_in_small_pieces(kind: Callable[[bytes], bytes]) -> None:
    pieces: list[bytes] = []
    content = bytes(range(256)) * 200 + b"end"
    file: Any = SimpleNamespace(write=lambda piece: pieces.append(bytes(piece)))
    assert Sink(file).write(kind(content)) == len(content)
    assert b"".join(pieces) == content
    assert {len(piece) for piece in pieces[:-1]} == {16 * 1024}
    assert Sink(file).write(kind(b"")) == 0
    assert b"".join(pieces) == content


def test_a_file_is_read_in_blocks(folder: LocalFolder) -> None:
    content = os.urandom(2_500_000)
    folder.write("x", content)
    blocks = list(folder.blocks("x"))
    assert len(blocks) > 1
    assert b"".join(blocks) == content


def test_files_are_removed_if_they_are_there(folder: LocalFolder) -> None:
    folder.write("a/b", b"")
    folder.remove("a/b")
    folder.remove("a/b")
    assert folder.names() == set()
    folder.write("c", b"")
    folder.remove_all()
    folder.remove_all()
    assert folder.names() == set()
    for ask in (folder.size, folder.read):
        with pytest.raises(FileNotFoundError):
            ask("c")


@pytest.mark.parametrize("name", ["x", "x[1]"])
def test_what_a_killed_writer_left_is_removed_by_the_next_but_not_what_one_is_writing(
    folder: LocalFolder, tmp_path: Path, name: str
) -> None:
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom loan_default.storage import LocalFolder, Sink\n"
        "with LocalFolder(Path(sys.argv[1])).writing(sys.argv[2]) as file:\n"
        "    file.write(b'half')\n    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "job", name], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "job").glob("*.draft"))) == 1
    with folder.writing(name) as one:
        assert len(list((tmp_path / "job").glob("*.draft"))) == 1
        one.write(b"one")
        folder.write(name, b"two")
        assert len(list((tmp_path / "job").glob("*.draft"))) == 1
    assert folder.read(name) == b"one"
    assert [path.name for path in (tmp_path / "job").iterdir()] == [name]
