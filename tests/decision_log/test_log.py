"""The log as the hot path uses it: never waiting, or waiting for the record."""

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from decisions import Answers, answered, count, decide, is_kept, opened, wait_for

from loan_default.decision_log import DecisionLog, log, open_decision_log, writer
from loan_default.decision_log.archive import open_archive
from loan_default.decision_log.record import Line
from loan_default.decision_log.store import StoreUnavailable
from loan_default.decision_log.writer import Writer
from loan_default.errors import DecisionLogUnavailable
from loan_default.settings import Settings


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


def test_the_writer_removes_what_is_too_old_when_it_starts(settings: Settings, folder: Path) -> None:
    folder.mkdir(parents=True)
    old = folder / "20200101T000000.000Z-1-00000000.jsonl"
    old.write_text("")
    with opened(settings):
        wait_for(lambda: not old.exists())
