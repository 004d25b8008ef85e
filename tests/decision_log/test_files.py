"""The decision log's files: whole lines, private, bounded, removed when they are too old."""

import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from decisions import Answers, decide, decided_at, lines
from installation import with_helpers

from loan_default.decision_log import files
from loan_default.decision_log.file_archive import FileArchive
from loan_default.decision_log.files import FileStore
from loan_default.decision_log.segments import BEFORE_S, SPAN_S, segments
from loan_default.decision_log.store import StoreUnavailable
from loan_default.errors import DecisionLogUnavailable

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


def store(folder: Path, most_bytes: int = 2**30, retention_days: int = 800) -> FileStore:
    return FileStore(folder, most_bytes=most_bytes, retention_days=retention_days)


def names(folder: Path) -> list[str]:
    return sorted(segment.path.name for segment in segments(folder))


def test_what_was_written_is_found(answers: Answers, folder: Path) -> None:
    decided = [decide(answers) for _ in range(3)]
    store(folder).write(lines(decided), durable=True)
    found = FileArchive(folder).find(decided[1].decision_id)
    assert found is not None
    assert found.probability == decided[1].pd


def test_nobody_else_may_read_the_files(answers: Answers, folder: Path) -> None:
    store(folder).write(lines([decide(answers)]), durable=False)
    (segment,) = segments(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(segment.path.stat().st_mode) == 0o600


def test_two_stores_never_write_the_same_file(answers: Answers, folder: Path) -> None:
    decided = [decided_at(answers, NOW_MS), decided_at(answers, NOW_MS)]
    for one in decided:
        store(folder).write(lines([one]), durable=False)
    assert len(names(folder)) == 2
    assert all(FileArchive(folder).find(one.decision_id) for one in decided)


def test_a_segment_ends_when_it_is_large_enough(
    answers: Answers, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_SEGMENT_BYTES", len(lines([decide(answers)])[0].json) + 10)
    writing = store(folder)
    for _ in range(5):
        writing.write(lines([decide(answers)]), durable=False)
    assert len(names(folder)) == 3


def test_a_segment_ends_after_its_span(answers: Answers, folder: Path) -> None:
    writing = store(folder)
    times = [NOW_MS, NOW_MS + HOUR_MS, NOW_MS + SPAN_S * 1000 - 1, NOW_MS + SPAN_S * 1000]
    for at in times:
        writing.write(lines([decided_at(answers, at)]), durable=False)
    assert [name[:19] for name in names(folder)] == ["20231114T221320.000", "20231115T221320.000"]


def test_decisions_are_found_whatever_clocks_did(answers: Answers, folder: Path) -> None:
    steps = [0, 5, -1, -BEFORE_S * 1000, -HOUR_MS, 30 * 24 * HOUR_MS, 3, -400 * 24 * HOUR_MS, 10]
    decided = [decided_at(answers, NOW_MS + step) for step in steps]
    store(folder).write(lines(decided), durable=False)  # in one batch
    writing = store(folder)
    later = [decided_at(answers, NOW_MS + step) for step in steps]
    for one in later:  # one by one
        writing.write(lines([one]), durable=False)
    archive = FileArchive(folder)
    for one in decided + later:
        assert archive.find(one.decision_id) is not None
    assert sum(segment.path.read_bytes().count(b"\n") for segment in segments(folder)) == 2 * len(steps)


def test_only_segments_of_an_ids_time_are_read(answers: Answers, folder: Path) -> None:
    old, new = decided_at(answers, NOW_MS - 30 * 24 * HOUR_MS), decided_at(answers, NOW_MS)
    store(folder).write(lines([old, new]), durable=False)
    (folder / names(folder)[0]).unlink()
    os.mkfifo(folder / f"{'20200101T000000.000'}Z-1-00000000.jsonl")  # reading it would hang
    assert FileArchive(folder).find(new.decision_id) is not None
    assert FileArchive(folder).find(old.decision_id) is None


def test_half_a_line_is_not_served(answers: Answers, folder: Path) -> None:
    decided = [decide(answers), decide(answers)]
    store(folder).write(lines(decided), durable=False)
    (segment,) = segments(folder)
    os.truncate(segment.path, segment.path.stat().st_size - 1)
    assert FileArchive(folder).find(decided[0].decision_id) is not None
    assert FileArchive(folder).find(decided[1].decision_id) is None


def test_a_line_that_is_no_record_hides_nobody_else(answers: Answers, folder: Path) -> None:
    decided = [decide(answers) for _ in range(2)]
    store(folder).write(lines(decided), durable=False)
    (segment,) = segments(folder)
    first, second = segment.path.read_bytes().splitlines(keepends=True)
    segment.path.write_bytes(first.replace(b'"prediction":0', b'"prediction":x') + b"\0\xff\n" + second)
    assert FileArchive(folder).find(decided[1].decision_id) is not None
    with pytest.raises(DecisionLogUnavailable, match=r"1 records in .* cannot be read"):  # not: there is none
        FileArchive(folder).find(decided[0].decision_id)


def test_a_segment_that_was_removed_is_not_written_to_any_more(answers: Answers, folder: Path) -> None:
    writing = store(folder)
    writing.write(lines([decide(answers)]), durable=False)
    (folder / names(folder)[0]).unlink()
    decided = decide(answers)
    writing.write(lines([decided]), durable=False)
    assert FileArchive(folder).find(decided.decision_id) is not None


def test_beyond_the_limit_nothing_new_is_written_and_nothing_old_removed(answers: Answers, folder: Path) -> None:
    writing = store(folder, most_bytes=round(4.5 * len(lines([decide(answers)])[0].json)))
    kept = [decide(answers) for _ in range(3)]
    writing.write(lines(kept), durable=False)
    with pytest.raises(StoreUnavailable) as refused:
        writing.write(lines([decide(answers), decide(answers)]), durable=False)
    assert refused.value.reason == "size_limit"
    assert "DECISION_LOG_MAX_MIB" in refused.value.explanation
    assert all(FileArchive(folder).find(one.decision_id) for one in kept)


def test_the_limit_is_that_of_all_processes_together(answers: Answers, folder: Path) -> None:
    store(folder).write(lines([decide(answers) for _ in range(3)]), durable=False)
    limit = round(3.5 * len(lines([decide(answers)])[0].json))
    with pytest.raises(StoreUnavailable):
        store(folder, most_bytes=limit).write(lines([decide(answers)]), durable=False)


def test_a_folder_that_cannot_be_made_is_told_without_its_path(answers: Answers, folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    with pytest.raises(StoreUnavailable) as refused:
        store(folder).write(lines([decide(answers)]), durable=False)
    assert refused.value.reason == "unwritable"
    assert "STATE_DIR/decisions" in refused.value.explanation
    assert str(folder) not in refused.value.explanation


_UNTIL_FULL = """
import resource, sys
from pathlib import Path
from decisions import Answers, decide, lines
from loan_default.decision_log.file_archive import FileArchive
from loan_default.decision_log.files import FileStore
from loan_default.decision_log.segments import segments
from loan_default.decision_log.store import StoreUnavailable
from loan_default.model import LoanModel

answers, folder = Answers(LoanModel.load(Path(sys.argv[1]))), Path(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))  # the disk takes a part of the second write
store = FileStore(folder, most_bytes=2**30, retention_days=1)
first, second, third = ([decide(answers) for _ in range(7)] for _ in range(3))
store.write(lines(first), durable=False)
try:
    store.write(lines(second), durable=False)
except StoreUnavailable as error:
    print(error.reason, error.written)
sizes = [segment.path.stat().st_size for segment in segments(folder)]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.write(lines(second + third), durable=True)
archive = FileArchive(folder)
print(len(sizes), sizes[0] < 5000, all(archive.find(one.decision_id) for one in first + second + third))
text = b"".join(segment.path.read_bytes() for segment in segments(folder))
print(text.count(b"\\n"), text.count(b'{"id":'), text.endswith(b"}\\n"))
"""


@pytest.mark.slow
def test_a_write_that_the_disk_took_in_part_is_taken_back(model_folder: Path, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _UNTIL_FULL, model_folder, folder],
        env=with_helpers(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines() == ["disk_full 0", "1 True True", "21 21 True"]


def test_no_empty_segments_pile_up_while_the_disk_is_full(
    answers: Answers, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    writing = store(folder)
    monkeypatch.setattr(os, "write", full)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            writing.write(lines([decide(answers)]), durable=False)
    assert names(folder) == []


def test_what_is_older_than_the_retention_is_removed(answers: Answers, folder: Path) -> None:
    day_ms, now_ms = 24 * HOUR_MS, time.time_ns() // 1_000_000
    ages = [1, 8, 9, 11, 12, 40]
    decided = {age: decided_at(answers, now_ms - age * day_ms) for age in ages}
    for one in decided.values():
        store(folder).write(lines([one]), durable=False)
    assert store(folder, retention_days=10).expire() is False
    archive = FileArchive(folder)
    # A segment goes as a whole, a day after the retention of its first decision at the latest.
    assert [age for age in ages if archive.find(decided[age].decision_id)] == [1, 8, 9]


def test_many_old_segments_go_a_few_at_a_time(answers: Answers, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MOST_EXPIRED", 2)
    for age in range(100, 103):
        store(folder).write(lines([decided_at(answers, NOW_MS - age * 24 * HOUR_MS)]), durable=False)
    expiring = store(folder, retention_days=1)
    assert [expiring.expire(), expiring.expire(), len(names(folder))] == [True, False, 0]


def test_there_is_nothing_to_expire_in_a_folder_that_is_not_there(folder: Path) -> None:
    assert store(folder).expire() is False
    assert not folder.exists()


def test_what_is_not_a_segment_is_never_removed(answers: Answers, folder: Path) -> None:
    store(folder).write(lines([decided_at(answers, 0)]), durable=False)
    names = [".retention.lock", "20200545T000000.000Z-1-00000000.jsonl", "notes.jsonl"]
    for name in names[1:]:
        (folder / name).write_text("mine")
    store(folder, retention_days=1).expire()
    assert sorted(path.name for path in folder.iterdir()) == names
