"""Decision ids: sorted by time, never twice, as people type them."""

import os
import time
import uuid

import pytest

from loan_default.decision_log.ids import first_id_at, milliseconds_of, new_decision_id, parse_decision_id
from loan_default.errors import NoSuchDecision


def test_an_id_is_a_uuid_of_version_7_that_tells_its_time() -> None:
    before = time.time_ns() // 1_000_000
    made = new_decision_id()
    assert before <= milliseconds_of(made) <= time.time_ns() // 1_000_000
    assert uuid.UUID(made).version == 7
    assert uuid.UUID(made).variant == uuid.RFC_4122


def test_ids_sort_by_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        time, "time_ns", iter(range(1_700_000_000_000_000_000, 1_700_000_001_000_000_000, 10**6)).__next__
    )
    made = [new_decision_id() for _ in range(1000)]
    assert made == sorted(made)
    assert first_id_at(1_700_000_000_000) < made[0] < first_id_at(1_700_000_000_001)


def test_no_two_are_equal_even_when_the_clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    assert len({new_decision_id() for _ in range(20_000)}) == 20_000


def test_a_forked_process_makes_other_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    new_decision_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_decision_id() for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 3200).decode()
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 3200
    assert not {theirs[i : i + 32] for i in range(0, 3200, 32)} & {new_decision_id() for _ in range(1000)}


def test_an_id_is_understood_as_people_type_it() -> None:
    made = new_decision_id()
    assert parse_decision_id(f" {str(uuid.UUID(made)).upper()}\n") == made


@pytest.mark.parametrize(
    "text", ["", "x", "0" * 32, "g" * 32, "../../etc/passwd", "01a20eef5d8e72a18421bc494c3ffff9" + "0"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(NoSuchDecision):
        parse_decision_id(text)
