"""Finding and erasing in files, while others write."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from decisions import Answers, decide, lines, wait_for
from installation import with_helpers

from loan_default.decision_log import file_archive
from loan_default.decision_log.file_archive import FileArchive
from loan_default.decision_log.files import FileStore
from loan_default.decision_log.ids import new_decision_id
from loan_default.decision_log.segments import segments
from loan_default.errors import DecisionLogUnavailable


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder, most_bytes=2**30, retention_days=800)


def text(folder: Path) -> bytes:
    return b"".join(segment.path.read_bytes() for segment in segments(folder))


def test_nothing_is_found_where_nothing_was_written(folder: Path) -> None:
    archive = FileArchive(folder)
    assert archive.find(new_decision_id()) is None
    assert archive.erase_decision(new_decision_id()) == archive.erase_reference("x") == 0


def test_an_erased_decision_leaves_nothing_and_its_neighbours_stay(
    answers: Answers, folder: Path, store: FileStore
) -> None:
    decided = [decide(answers, reference=f"loan {i}") for i in range(3)]
    store.write(lines(decided), durable=False)
    size, archive = len(text(folder)), FileArchive(folder)
    assert archive.erase_decision(decided[1].decision_id) == 1
    assert archive.erase_decision(decided[1].decision_id) == 0
    assert decided[1].decision_id.encode() not in text(folder)
    assert b"loan 1" not in text(folder)
    assert len(text(folder)) == size
    assert [archive.find(one.decision_id) is not None for one in decided] == [True, False, True]


@pytest.mark.parametrize("reference", ["loan 17", 'with "quotes" \\ and\nlines', "Žofie 🏦", '","id":"'])
def test_every_decision_of_a_reference_is_erased_and_no_other(
    answers: Answers, folder: Path, store: FileStore, reference: str
) -> None:
    mine = [decide(answers, reference=reference) for _ in range(2)]
    others = [decide(answers, reference=other) for other in ("", reference + "0", "x" + reference)]
    quoting = decide(answers, request_id=f'"reference":"{reference}"')
    store.write(lines([mine[0], *others, quoting]), durable=False)
    FileStore(folder, most_bytes=2**30, retention_days=800).write(lines(mine[1:]), durable=False)
    archive = FileArchive(folder)
    assert archive.erase_reference(reference) == 2
    assert not any(archive.find(one.decision_id) for one in mine)
    assert all(archive.find(one.decision_id) for one in [*others, quoting])


def test_the_writer_goes_on_in_the_same_file_after_an_erasure(answers: Answers, folder: Path, store: FileStore) -> None:
    first, second = decide(answers), decide(answers)
    store.write(lines([first]), durable=False)
    FileArchive(folder).erase_decision(first.decision_id)
    store.write(lines([second]), durable=False)
    assert len(list(segments(folder))) == 1
    assert FileArchive(folder).find(second.decision_id) is not None


_WRITE = """
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from decisions import Answers, decide, lines
from loan_default.decision_log.files import FileStore
from loan_default.model import LoanModel

answers = Answers(LoanModel.load(Path(sys.argv[1])))
store = FileStore(Path(sys.argv[2]), most_bytes=2**30, retention_days=1)
for i in range(int(sys.argv[3])):
    store.write(lines([decide(answers, reference=str(i % 2))]), durable=False)
"""


@pytest.mark.slow
def test_erasing_while_two_processes_write_loses_nothing_else(model_folder: Path, folder: Path) -> None:
    n = 1500
    command: list[str | Path] = [sys.executable, "-c", _WRITE, model_folder, folder, str(n)]
    writers = [subprocess.Popen(command, env=with_helpers()) for _ in range(2)]
    archive, erased = FileArchive(folder), 0
    wait_for(lambda: any(segments(folder)), within_s=60)
    while any(writer.poll() is None for writer in writers):
        erased += archive.erase_reference("1")
    erased += archive.erase_reference("1")
    assert [writer.returncode for writer in writers] == [0, 0]
    found = text(folder).splitlines()
    assert len(found) == 2 * n
    assert erased == sum(b'{"erased":true}' in line for line in found) == n
    assert sum(b'"reference":"0"' in line for line in found) == n


def test_a_folder_that_cannot_be_read_is_told_without_its_path(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    with pytest.raises(DecisionLogUnavailable) as refused:
        FileArchive(folder).find(new_decision_id())
    assert str(folder) not in refused.value.message


def test_a_line_that_went_away_meanwhile_is_not_overwritten(
    answers: Answers, folder: Path, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer took back what it could write in part only: writing there would glue the next line to ours."""
    kept, gone = decide(answers), decide(answers)
    store.write(lines([kept]), durable=False)
    (segment,) = segments(folder)
    size = segment.path.stat().st_size
    store.write(lines([gone]), durable=False)
    search = file_archive._search_file  # noqa: SLF001  # the moment between finding and overwriting is inside

    def then_taken_back(*of_what: Any) -> Iterator[Any]:
        found = list(search(*of_what))
        os.truncate(segment.path, size)
        return iter(found)

    monkeypatch.setattr(file_archive, "_search_file", then_taken_back)
    assert FileArchive(folder).erase_decision(gone.decision_id) == 0
    assert segment.path.stat().st_size == size
