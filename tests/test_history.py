"""The history: what is written is read again in order, and which version a rollback goes back to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.history import Action, Event, before, new_event, read, record
from loan_default.settings import Stage

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Registry:
    """As much of MLflow's client as a history needs: the tags of one registered model."""

    def __init__(self, *, registered: bool = True) -> None:
        self.tags: dict[str, str] = {}
        self._registered = registered

    def set_registered_model_tag(self, _: str, key: str, value: str) -> None:
        assert key not in self.tags  # an event is never written over
        self.tags[key] = value

    def search_registered_models(self, _: str) -> list[Any]:
        return [SimpleNamespace(tags=self.tags)] if self._registered else []


@pytest.fixture
def registry() -> Registry:
    """A registered model without a history."""
    return Registry()


def event(version: str = "1", action: Action = "promoted", minutes: float = 0, **more: Any) -> Event:
    """An event so many minutes after the first."""
    content = {"who": "ann@bank", "stage": "production", "reason": "passed its gates", "run_id": "c0ffee", **more}
    return Event(at=START + timedelta(minutes=minutes), version=version, action=action, **content)


def told(*steps: str, stage: Stage = "production") -> list[Event]:
    """Events in short: `+2` promotes version 2, `-1` rolls back to version 1, `!3` refuses version 3."""
    actions: Mapping[str, Action] = {"+": "promoted", "-": "rolled back", "!": "refused"}
    return [event(step[1:], actions[step[0]], minute, stage=stage) for minute, step in enumerate(steps)]


def test_before_anything_is_registered_there_is_no_history() -> None:
    assert read(Registry(registered=False)) == []


def test_a_registered_model_begins_without_a_history(registry: Registry) -> None:
    registry.tags["team"] = "credit risk"
    assert read(registry) == []


def test_an_event_survives_a_round_trip(registry: Registry) -> None:
    full = event(replaced="7", data_sha256="d" * 64, git_commit="beef", figures={"roc_auc": 0.1 + 0.2}, minutes=1 / 7)
    record(registry, full)
    assert read(registry) == [full]


@pytest.mark.parametrize("reason", ["", "a\nb", 'says "no"', "Größe – 贷款 😀", "\x00\x1f", "{}"])
def test_any_reason_survives_a_round_trip(registry: Registry, reason: str) -> None:
    record(registry, event(reason=reason))
    assert [found.reason for found in read(registry)] == [reason]


def test_events_are_read_oldest_first_in_whatever_order_they_were_written(registry: Registry) -> None:
    minutes = [60 * 24 * 400, 0.5, 3, 1e-7, 0, 600]
    for number, minute in enumerate(minutes):
        record(registry, event(str(number), minutes=minute))
    assert [found.at for found in read(registry)] == sorted(START + timedelta(minutes=minute) for minute in minutes)


def test_events_of_the_same_moment_are_all_kept(registry: Registry) -> None:
    for number in range(20):
        record(registry, event(str(number)))
    assert {found.version for found in read(registry)} == {str(number) for number in range(20)}


@pytest.mark.parametrize("unreadable", ["", "{", "[]", "{}", '{"action": "promoted"}'])
def test_a_tag_that_cannot_be_read_is_left_out(registry: Registry, unreadable: str) -> None:
    record(registry, event("1"))
    registry.tags["history.20260102T030405.500000.00000000"] = unreadable
    record(registry, event("2", minutes=1))
    assert [found.version for found in read(registry)] == ["1", "2"]


def test_an_event_of_a_later_format_is_left_out(registry: Registry) -> None:
    registry.tags["history.1"] = event().model_dump_json().replace('"who"', '"approved_by": "eve", "who"')
    registry.tags["history.2"] = event().model_dump_json().replace("promoted", "quarantined")
    assert read(registry) == []


def test_tags_of_other_people_are_no_history(registry: Registry) -> None:
    registry.tags["historical"] = event().model_dump_json()
    assert read(registry) == []


@pytest.mark.parametrize("length", [1000, 1001, 100_000])
def test_a_reason_is_cut_at_1000_characters(length: int) -> None:
    assert new_event("promoted", "production", "1", "x" * length, run_id="r").reason == "x" * 1000


def test_a_short_reason_is_kept_as_it_is() -> None:
    assert new_event("promoted", "production", "1", " because ", run_id="r").reason == " because "


def test_a_new_event_is_of_this_moment_and_this_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    monkeypatch.setattr("platform.node", lambda: "bank")
    earliest = datetime.now(UTC)
    found = new_event("refused", "staging", "3", "a gate", run_id="r", figures={"roc_auc": 0.9})
    assert earliest <= found.at <= datetime.now(UTC)
    assert (found.who, found.action, found.stage, found.version) == ("ann@bank", "refused", "staging", "3")
    assert found.figures == {"roc_auc": 0.9}


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("No username set in the environment")])
def test_a_user_without_a_name_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def nameless() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", nameless)
    assert new_event("promoted", "production", "1", "r", run_id="r").who.startswith("unknown@")


def test_an_event_reads_as_a_sentence() -> None:
    assert str(event("2", replaced="1")) == (
        "2026-01-02 03:04:05 UTC, ann@bank: version 2 promoted (production instead of 1): passed its gates"
    )
    assert str(event("1", "rolled back", replaced="2", stage="staging", reason="complaints")) == (
        "2026-01-02 03:04:05 UTC, ann@bank: version 1 rolled back (staging instead of 2): complaints"
    )


@pytest.mark.parametrize("replaced", [None, "2"])
def test_a_version_that_replaced_none_or_itself_is_told_without_another(replaced: str | None) -> None:
    assert "version 2 promoted (production): passed" in str(event("2", replaced=replaced))


def test_without_events_there_is_nothing_to_go_back_to() -> None:
    assert before([], "production") is None


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["+1"], None),
        (["+1", "+2"], "1"),
        (["+1", "+2", "+3"], "2"),
        (["+1", "+2", "-1"], None),
        (["+1", "+2", "+3", "-2"], "1"),
        (["+1", "+2", "+3", "-2", "-1"], None),
        (["+1", "+2", "-1", "+3"], "1"),
        (["+1", "+2", "+3", "-2", "+4", "-2"], "1"),
        (["+1", "+1"], None),
        (["+1", "+2", "+2"], "1"),
        (["+1", "+2", "+1"], "2"),
        (["+1", "+2", "+1", "-2"], "1"),
        (["+1", "!2"], None),
        (["+1", "+2", "!3"], "1"),
        (["!1", "!2"], None),
        (["-5"], None),
        (["+7", "-5"], "7"),
    ],
)
def test_a_rollback_goes_to_the_version_promoted_before(steps: list[str], expected: str | None) -> None:
    assert before(told(*steps), "production") == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["+1", "+2", "+1", "+3", "-1"], "2"),
        (["+1", "+2", "+1", "+2", "-1"], "2"),
        (["+1", "+2", "+3", "+2", "+4", "-2"], "3"),
    ],
)
def test_a_rollback_to_a_version_promoted_twice_leaves_what_was_between(steps: list[str], expected: str) -> None:
    assert before(told(*steps), "production") == expected


def test_stages_have_histories_of_their_own() -> None:
    mixed = [
        *told("+1", "+2"),
        *told("+8", "+9", "+2", stage="staging"),
        *told("!9", "-1"),
        *told("-9", stage="staging"),
    ]
    assert before(mixed, "production") is None
    assert before(mixed, "staging") == "8"


STEPS = st.lists(
    st.tuples(st.sampled_from(["production", "staging"]), st.sampled_from(["1", "2", "3", "4", "back", "refused"])),
    max_size=25,
)


def stacked(steps: list[tuple[Stage, str]]) -> tuple[list[Event], dict[Stage, list[str]]]:
    """What `Promotions` writes for such steps, and the stack of each stage as a plain list."""
    stacks: dict[Stage, list[str]] = {"production": [], "staging": []}
    events: list[Event] = []
    for minute, (stage, step) in enumerate(steps):
        stack = stacks[stage]
        if step == "refused":
            events.append(event("9", "refused", minute, stage=stage))
        elif step == "back":
            if len(stack) > 1:
                stack.pop()
                events.append(event(stack[-1], "rolled back", minute, stage=stage))
        elif stack[-1:] != [step]:
            stack.append(step)
            events.append(event(step, "promoted", minute, stage=stage))
    return events, stacks


def below_top(stack: list[str]) -> str | None:
    return stack[-2] if len(stack) > 1 else None


@given(STEPS)
def test_each_stage_is_a_stack(steps: list[tuple[Stage, str]]) -> None:
    events, stacks = stacked(steps)
    assert {stage: before(events, stage) for stage in stacks} == {
        stage: below_top(stack) for stage, stack in stacks.items()
    }


@given(STEPS)
def test_each_stage_is_a_stack_as_long_as_no_version_comes_back(steps: list[tuple[Stage, str]]) -> None:
    once = [step for number, step in enumerate(steps) if step[1] in {"back", "refused"} or step not in steps[:number]]
    events, stacks = stacked(once)
    for stage, stack in stacks.items():
        assert before(events, stage) == below_top(stack)


@given(STEPS, st.randoms())
def test_what_a_rollback_goes_to_does_not_depend_on_the_order_of_writing(
    steps: list[tuple[Stage, str]], random: Any
) -> None:
    events, _ = stacked(steps)
    shuffled = random.sample(events, len(events))
    registry = Registry()
    for each in shuffled:
        record(registry, each)
    assert before(read(registry), "production") == before(events, "production")


def test_a_rollback_never_goes_to_the_version_that_is_in_place() -> None:
    assert before(told("+1", "+2", "+2", "-1", "+1", "+1"), "production") is None


def test_the_longest_reason_fits_its_event() -> None:
    assert len(event(reason="x" * 1000).reason) == 1000
    with pytest.raises(ValueError, match="at most 1000 characters"):
        event(reason="x" * 1001)


def test_every_key_names_its_moment(registry: Registry) -> None:
    record(registry, event())
    (key,) = registry.tags
    assert key.startswith("history.20260102T030405.000000.")
