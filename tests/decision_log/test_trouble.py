"""When nothing can be kept: what is dropped and counted, who is refused, and that it recovers by itself."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from decisions import Answers, answered, count, decide, is_kept, logged, opened, wait_for

from loan_default.decision_log import Decided, writer
from loan_default.decision_log.segments import segments
from loan_default.errors import DecisionLogUnavailable
from loan_default.settings import Settings


def test_without_a_folder_to_write_to_required_refuses_quickly_and_best_effort_goes_on(
    required: Settings, answers: Answers, folder: Path
) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    refused = count("refused")
    with logged() as messages, opened(required) as log:
        started = time.monotonic()
        outcomes = asyncio.run(answered(log, [decide(answers)], [decide(answers)] * 2))
        assert time.monotonic() - started < 1.5
        assert [type(outcome) for outcome in outcomes] == [DecisionLogUnavailable] * 2
        assert count("refused") == refused + 3
        assert len(messages) == 1
        folder.unlink()  # it recovers by itself
        assert asyncio.run(answered(log, [decide(answers)])) == [None]
    assert len(messages) == 2
    assert "cannot be written" in messages[0]
    assert "is written again" in messages[1]


def test_best_effort_keeps_what_it_can_hold_and_counts_the_rest_by_reason(
    settings: Settings, answers: Answers, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING", 10)
    monkeypatch.setattr(writer, "_RETRY_S", 0.05)
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    failures, dropped = count("write_failures", reason="unwritable"), count("dropped", reason="unwritable")
    with logged() as messages, opened(settings) as log:
        first = decide(answers)
        log.append(first)
        wait_for(lambda: count("write_failures", reason="unwritable") >= failures + 3)
        for _ in range(15):
            log.append(decide(answers))
        assert count("dropped", reason="unwritable") == dropped + 5
        folder.unlink()
        wait_for(lambda: is_kept(settings, first.decision_id))
    assert sum("cannot be written" in message for message in messages) == 1
    assert sum("5 decisions were dropped" in message for message in messages) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB, where we may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk; test_files.py has a disk that takes a part of a write")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_full_disk_is_counted_leaves_whole_lines_and_recovers(
    settings: Settings, answers: Answers, small_disk: Path
) -> None:
    settings = settings.model_copy(update={"state_dir": small_disk})
    decided: list[Decided] = []
    failures = count("write_failures", reason="disk_full")
    with logged() as messages, opened(settings) as log:
        while count("write_failures", reason="disk_full") == failures:
            for _ in range(20):
                decided.append(decide(answers))
                log.append(decided[-1])
            time.sleep(0.05)
        (segment,) = segments(small_disk / "decisions")
        kept = segment.path.read_bytes()
        assert kept.endswith(b"}\n")
        assert 0 < kept.count(b"\n") < len(decided)
        segment.path.unlink()
        wait_for(lambda: is_kept(settings, decided[-1].decision_id))
    text = kept + b"".join(segment.path.read_bytes() for segment in segments(small_disk / "decisions"))
    assert [line[7:39].decode() for line in text.splitlines()] == [one.decision_id for one in decided]
    assert ["cannot be written" in messages[0], "is written again" in messages[1]] == [True, True]


def test_what_cannot_be_written_at_the_end_is_counted_and_told(
    settings: Settings, answers: Answers, folder: Path
) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    before = count("dropped", reason="shutdown")
    with logged() as messages, opened(settings) as log:
        for _ in range(3):
            log.append(decide(answers))
    assert count("dropped", reason="shutdown") == before + 3
    assert "3 decisions were lost at the end" in messages[-1]


def test_at_the_size_limit_required_refuses_and_goes_on_when_there_is_room(
    required: Settings, answers: Answers, folder: Path
) -> None:
    folder.mkdir(parents=True)
    archived_soon = folder / "20260101T000000.000Z-1-00000000.jsonl"
    archived_soon.write_bytes(b" " * 2**20)
    with logged() as messages, opened(required.model_copy(update={"decision_log_max_mib": 1})) as log:
        assert isinstance(asyncio.run(answered(log, [decide(answers)]))[0], DecisionLogUnavailable)
        assert archived_soon.exists()
        archived_soon.unlink()
        wait_for(lambda: asyncio.run(answered(log, [decide(answers)])) == [None], within_s=4)
    assert "raise DECISION_LOG_MAX_MIB" in messages[0]


def test_an_unexpected_error_does_not_end_the_thread(
    required: Settings, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(required) as log:
        with monkeypatch.context() as broken:
            broken.setattr("loan_default.decision_log.files.new_segment", lambda *_: 1 / 0)
            (outcome,) = asyncio.run(answered(log, [decide(answers)]))
            assert isinstance(outcome, DecisionLogUnavailable)
        assert asyncio.run(answered(log, [decide(answers)])) == [None]
