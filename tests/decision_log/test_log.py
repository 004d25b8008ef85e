"""The log as the hot path uses it: never waiting, or waiting for the record; and when nothing can be kept."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from decisions import Answers, decide, logged, wait_for
from prometheus_client import REGISTRY

from loan_default.decision_log import Decided, DecisionLog, log, open_decision_log, writer
from loan_default.decision_log.archive import open_archive
from loan_default.decision_log.record import Line
from loan_default.decision_log.segments import segments
from loan_default.decision_log.store import StoreUnavailable
from loan_default.decision_log.writer import Writer
from loan_default.errors import DecisionLogUnavailable
from loan_default.settings import Settings


@contextmanager
def opened(settings: Settings) -> Iterator[DecisionLog]:
    log = open_decision_log(settings)
    try:
        yield log
    finally:
        log.close()


@pytest.fixture
def required(settings: Settings) -> Settings:
    return settings.model_copy(update={"decision_log": "required"})


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"loan_decision_log_{name}_total", labels) or 0.0


def is_kept(settings: Settings, decision_id: str) -> bool:
    with open_archive(settings) as archive:
        return archive.find(decision_id) is not None


def test_what_is_appended_is_kept_soon(settings: Settings, answers: Answers) -> None:
    before = count("written", store="files")
    with opened(settings) as log:
        decided = decide(answers)
        log.append(decided)
        wait_for(lambda: is_kept(settings, decided.decision_id))
    assert count("written", store="files") == before + 1


def test_closing_keeps_what_was_appended(settings: Settings, answers: Answers) -> None:
    decided = [decide(answers) for _ in range(5000)]
    with opened(settings) as log:
        for one in decided:
            log.append(one)
    with open_archive(settings) as archive:
        assert archive.find(decided[0].decision_id)
        assert archive.find(decided[-1].decision_id)


def test_closing_twice_is_fine_and_later_decisions_are_counted(settings: Settings, answers: Answers) -> None:
    log = open_decision_log(settings)
    log.close()
    log.close()
    before = count("dropped", reason="shutdown")
    log.append(decide(answers))
    assert count("dropped", reason="shutdown") == before + 1


def test_off_keeps_nothing_and_makes_no_folder(settings: Settings, answers: Answers, folder: Path) -> None:
    with opened(settings.model_copy(update={"decision_log": "off"})) as log:
        log.append(decide(answers))
        assert asyncio.run(answered(log, [decide(answers)], [])) == [None, None]
        assert not log.enabled
    assert not folder.exists()


async def answered(log: DecisionLog, *calls: Sequence[Decided]) -> list[BaseException | None]:
    return await asyncio.gather(*[log.append_required(call) for call in calls], return_exceptions=True)


def test_a_required_record_is_there_when_the_wait_is_over(required: Settings, answers: Answers) -> None:
    async def call(log: DecisionLog) -> None:
        decided = decide(answers)
        await log.append_required([decided])
        assert is_kept(required, decided.decision_id)

    with opened(required) as log:
        assert log.required
        asyncio.run(call(log))


def test_all_that_wait_are_written_together_and_to_the_disk(
    required: Settings, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    with opened(required) as log:
        calls = [[decide(answers)] for _ in range(500)]
        assert asyncio.run(answered(log, *calls)) == [None] * 500
        assert 1 <= len(synced) < 10


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


class Slow:
    """A store that takes a while, as a database behind a broken network does."""

    name = "files"

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.kept: list[Line] = []

    def write(self, lines: Sequence[Line], *, durable: bool) -> None:
        assert durable
        if not self.goes_on.wait(20):
            raise StoreUnavailable("database", "never")
        self.kept += lines

    def expire(self) -> bool:
        return False

    def close(self) -> None:
        pass


def test_nobody_waits_longer_than_stated_and_what_nobody_waits_for_is_not_written(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "REQUIRED_WAIT_S", 0.2)
    slow = Slow()
    writing = Writer(slow)  # type: ignore[arg-type]  # it has the name of another
    writing.start()
    slow_log = DecisionLog(writing, required=True)
    first, second, third = (decide(answers) for _ in range(3))

    async def call() -> None:
        for one in (first, second):  # the thread is busy with the first when the second comes
            with pytest.raises(DecisionLogUnavailable, match=r"longer than 0\.2 s"):
                await slow_log.append_required([one])
        slow.goes_on.set()
        await slow_log.append_required([third])

    asyncio.run(call())
    slow_log.close()
    assert [line.id for line in slow.kept] == [first.decision_id, third.decision_id]


def test_what_nobody_waits_for_is_written_while_others_wait_without_a_pause(
    required: Settings, answers: Answers
) -> None:
    async def call(log: DecisionLog) -> None:
        decided = decide(answers)
        log.append(decided)
        deadline = time.monotonic() + 20
        while not is_kept(required, decided.decision_id):
            assert time.monotonic() < deadline
            await asyncio.gather(*[log.append_required([decide(answers)]) for _ in range(10)])

    with opened(required) as log:
        asyncio.run(call(log))


def test_too_many_waiting_are_refused_at_once(
    required: Settings, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING", 2)
    with opened(required) as log:
        outcomes = asyncio.run(answered(log, [decide(answers)] * 3))
        assert "Too many" in str(outcomes[0])
        assert asyncio.run(answered(log, [decide(answers)] * 2)) == [None]


def test_what_cannot_be_recorded_refuses_its_own_caller_alone(required: Settings, answers: Answers) -> None:
    with opened(required) as log:
        outcomes = asyncio.run(answered(log, [decide(answers)], [decide(answers, at=float("nan"))]))
    assert outcomes[0] is None
    assert "cannot be recorded" in str(outcomes[1])


def test_a_caller_that_goes_away_takes_nobody_with_it(required: Settings, answers: Answers) -> None:
    async def call(log: DecisionLog) -> None:
        leaving, staying = log.append_required([decide(answers)]), log.append_required([decide(answers)])
        leaving.cancel()
        await staying

    with opened(required) as log:
        asyncio.run(call(log))


def test_an_unexpected_error_does_not_end_the_thread(
    required: Settings, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(required) as log:
        with monkeypatch.context() as broken:
            broken.setattr("loan_default.decision_log.files.new_segment", lambda *_: 1 / 0)
            (outcome,) = asyncio.run(answered(log, [decide(answers)]))
            assert isinstance(outcome, DecisionLogUnavailable)
        assert asyncio.run(answered(log, [decide(answers)])) == [None]


def test_the_writer_removes_what_is_too_old_when_it_starts(settings: Settings, folder: Path) -> None:
    folder.mkdir(parents=True)
    old = folder / "20200101T000000.000Z-1-00000000.jsonl"
    old.write_text("")
    with opened(settings):
        wait_for(lambda: not old.exists())


_PROCESS = """
import asyncio, os, pwd, sys, time
from pathlib import Path
from decisions import Answers, decide
from loan_default.decision_log import open_decision_log
from loan_default.model import LoanModel
from loan_default.settings import Settings

answers = Answers(LoanModel.load(Path(sys.argv[1])))
decided = decide(answers)
if sys.argv[4]:
    os.seteuid(pwd.getpwnam(sys.argv[4]).pw_uid)
log = open_decision_log(Settings(_env_file=None, state_dir=sys.argv[2], decision_log=sys.argv[3]))

def again():
    return decide(answers, pd=decided.pd)

async def require():
    while True:
        batch = [again() for _ in range(3)]
        await log.append_required(batch)
        print(*[one.decision_id for one in batch], sep="\\n", flush=True)

async def append():
    while True:
        one = again()
        log.append(one)
        print(one.decision_id, time.monotonic(), flush=True)
        await asyncio.sleep(0)

asyncio.run(require() if log.required else append())
"""


@contextmanager
def process(model_folder: Path, state: Path, mode: str, user: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that decides without end and prints each decision's id."""
    tests = Path(__file__).resolve().parents[1]
    variables = {**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"}
    with subprocess.Popen(
        [sys.executable, "-c", _PROCESS, model_folder, state, mode, user],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def all_ids(folder: Path) -> set[str]:
    text = b"".join(segment.path.read_bytes() for segment in segments(folder))
    return {line[7:39].decode() for line in text.split(b"\n")[:-1]}


@pytest.mark.slow
def test_after_kill_9_every_required_decision_is_there(settings: Settings, model_folder: Path) -> None:
    with process(model_folder, settings.state, "required") as running:
        assert running.stdout is not None
        told = [running.stdout.readline().strip() for _ in range(100)]
        running.send_signal(signal.SIGKILL)
        told += running.stdout.read().split()
    assert running.returncode == -signal.SIGKILL
    assert all(is_kept(settings, one) for one in told[:100])
    assert not set(told) - all_ids(settings.state / "decisions")


@pytest.mark.slow
def test_after_kill_9_all_but_the_last_moment_is_there(settings: Settings, model_folder: Path, folder: Path) -> None:
    with process(model_folder, settings.state, "best-effort") as running:
        assert running.stdout is not None
        told: list[tuple[str, float]] = []
        while not told or told[-1][1] - told[0][1] < 2:
            one, at = running.stdout.readline().split()
            told.append((one, float(at)))
        running.send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        told += [(one, float(at)) for one, at in map(str.split, running.stdout.read().splitlines())]
    kept = all_ids(folder)
    there = [one in kept for one, _ in told]
    # What is missing are the last ones: those of the flush interval, and what the machine was slow to write.
    assert there == sorted(there, reverse=True)
    assert all(one in kept for one, at in told if at < killed_at - writer.FLUSH_INTERVAL_S - 1)
    assert is_kept(settings, told[0][0])


@pytest.mark.slow
def test_two_processes_at_once_keep_all_of_both(settings: Settings, model_folder: Path, folder: Path) -> None:
    with (
        process(model_folder, settings.state, "required") as one,
        process(model_folder, settings.state, "required") as other,
    ):
        told = set()
        for running in (one, other):
            assert running.stdout is not None
            told |= {running.stdout.readline().strip() for _ in range(300)}
    assert not told - all_ids(folder)
    assert len(list(segments(folder))) == 2


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_belongs_to_somebody_else_is_told_once_and_recovers(model_folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders let nobody else in
        state = Path(place)
        state.chmod(0o755)
        with process(model_folder, state, "best-effort", "nobody") as running:
            assert running.stderr is not None
            assert "Permission denied in STATE_DIR/decisions" in running.stderr.readline()
            shutil.chown(state, "nobody")
            assert "it is written again" in running.stderr.readline()
