"""Promotions and rollbacks: alias, pointer and history agree."""

import random
import threading

import pytest
from desk import CARDS, aliases, in_place, promote, rollback, told

from loan_default import history, promotion, registry
from loan_default.errors import NoSuchVersion, PromotionRefused
from loan_default.model import LoanModel
from loan_default.promotion import STAGES, promotions, told_history
from loan_default.registry import Registered
from loan_default.served import REGISTERED_NAME, Served, point, pointed
from loan_default.settings import Settings, Stage
from loan_default.tracking import client

pytestmark = [
    pytest.mark.integration,
    # Each the business of a library that is imported here alone.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


def test_nothing_is_promoted_at_first(shop: Settings) -> None:
    with promotions(shop) as desk:
        assert [desk.champion(stage) for stage in STAGES] == [None, None]
        assert desk.history() == []
    assert in_place(shop) is None
    assert told_history(shop) == []


def test_a_promotion_moves_alias_pointer_and_history(shop: Settings, versions: list[Registered]) -> None:
    served = promote(shop, versions[0])
    assert served == pointed(shop, "production")
    assert (served.version, in_place(shop)) == ("1", "1")
    (event,) = history.read(client(shop))
    assert (event.action, event.stage, event.replaced, event.reason) == ("promoted", "production", None, "good")
    assert (event.run_id, event.git_commit, event.data_sha256) == (versions[0].run_id, "beef", "0" * 64)
    assert event.figures == {"roc_auc": 0.9}
    assert told_history(shop) == [str(event)]


def test_the_promoted_version_brings_its_model_card_along(shop: Settings, versions: list[Registered]) -> None:
    folder = promote(shop, versions[0]).model_folder
    assert (folder / "model_card.md").read_bytes() == CARDS["model_card.md"]


def test_promoting_the_same_version_again_is_one_event(shop: Settings, versions: list[Registered]) -> None:
    first, second = promote(shop, versions[0]), promote(shop, versions[0], reason="again")
    assert first == second
    assert told(shop) == [("1", "promoted", "production")]


def test_the_next_promotion_says_what_it_replaced(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[0])
    promote(shop, versions[1])
    assert in_place(shop) == "2"
    assert [event.replaced for event in history.read(client(shop))] == [None, "1"]


def test_the_champion_is_the_promoted_model(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[0])
    with promotions(shop) as desk:
        assert desk.champion("production") == pointed(shop, "production")
        assert desk.champion("staging") is None


def test_a_rollback_goes_back_one_version_at_a_time(shop: Settings, versions: list[Registered]) -> None:
    for version in versions:
        promote(shop, version)
    assert [rollback(shop).version, in_place(shop), rollback(shop).version, in_place(shop)] == ["2", "2", "1", "1"]
    last = history.read(client(shop))[-1]
    assert (last.action, last.version, last.replaced, last.reason) == ("rolled back", "1", "2", "complaints")


@pytest.mark.parametrize("promoted", [0, 1])
def test_with_nothing_before_a_rollback_is_refused_and_changes_nothing(
    shop: Settings, versions: list[Registered], promoted: int
) -> None:
    for version in versions[:promoted]:
        promote(shop, version)
    before = (told(shop), in_place(shop))
    with pytest.raises(PromotionRefused, match="knows no version that was promoted to production before"):
        rollback(shop)
    assert (told(shop), in_place(shop)) == before


def test_a_version_that_was_rolled_back_can_be_promoted_again(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[0])
    promote(shop, versions[1])
    rollback(shop)
    promote(shop, versions[1])
    assert in_place(shop) == "2"
    assert rollback(shop).version == "1"


def test_a_version_that_the_registry_lost_cannot_be_rolled_back_to(shop: Settings, versions: list[Registered]) -> None:
    lost = history.new_event("promoted", "production", "99", "long ago", run_id="c0ffee")
    history.record(client(shop), lost)
    promote(shop, versions[0])
    with pytest.raises(NoSuchVersion, match="no version '99'"):
        rollback(shop)
    assert in_place(shop) == "1"


def test_stages_are_promoted_and_rolled_back_on_their_own(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[0], "staging")
    assert (in_place(shop), in_place(shop, "staging")) == (None, "1")
    promote(shop, versions[1], "staging")
    promote(shop, versions[2])
    assert (in_place(shop), in_place(shop, "staging")) == ("3", "2")
    rollback(shop, "staging")
    assert (in_place(shop), in_place(shop, "staging")) == ("3", "1")
    with pytest.raises(PromotionRefused):
        rollback(shop, "production")


def test_an_alias_names_one_version_at_any_time(
    shop: Settings, versions: list[Registered], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []

    def watched(settings: Settings, stage: Stage, served: Served) -> None:
        seen.append(aliases(settings))
        original(settings, stage, served)
        seen.append(aliases(settings))

    original = point
    monkeypatch.setattr(promotion, "point", watched)
    for version in versions:
        promote(shop, version)
    assert seen == [{"production": number} for number in "112233"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_after_any_promotions_and_rollbacks_all_agree(shop: Settings, versions: list[Registered], seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(8):
        stage = generator.choice(STAGES)
        if generator.random() < 0.4:
            expected = history.before(history.read(client(shop)), stage) or in_place(shop, stage)
            try:
                rollback(shop, stage)
            except PromotionRefused:
                assert history.before(history.read(client(shop)), stage) is None
        else:
            version = generator.choice(versions)
            expected = version.version
            promote(shop, version, stage)
        assert in_place(shop, stage) == expected
    named = {stage: in_place(shop, stage) for stage in STAGES}
    assert aliases(shop) == {stage: number for stage, number in named.items() if number}


def test_a_refusal_is_told_and_changes_nothing(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[0])
    with promotions(shop) as desk:
        desk.refuse(versions[1], "production", "recall 0.5 must be at least 0.75")
    assert in_place(shop) == "1"
    last = history.read(client(shop))[-1]
    assert (last.version, last.action, last.replaced) == ("2", "refused", None)
    assert (last.reason, last.figures) == ("recall 0.5 must be at least 0.75", {"roc_auc": 0.9})


def test_a_refusal_before_any_promotion_is_told(shop: Settings, versions: list[Registered]) -> None:
    with promotions(shop) as desk:
        desk.refuse(versions[0], "staging", "a gate")
    assert (told(shop), in_place(shop, "staging")) == ([("1", "refused", "staging")], None)


def test_a_version_is_found_by_its_number_or_by_its_run(shop: Settings, versions: list[Registered]) -> None:
    for version in versions:
        assert registry.registered_version(shop, version.version) == version
        assert registry.registered_version(shop, version.run_id) == version
    for unknown in ("99", "latest", "0" * 32, "' or '1' = '1"):
        with pytest.raises(NoSuchVersion):
            registry.registered_version(shop, unknown)


def test_a_version_is_read_without_importing_it(shop: Settings, versions: list[Registered]) -> None:
    with registry.model_files(shop, versions[1]) as folder:
        assert LoanModel.load(folder).about.run_id == versions[1].run_id
    assert not folder.exists()
    assert not list((shop.bentoml_store / "models").iterdir())


def test_one_command_at_a_time_promotes(shop: Settings, versions: list[Registered]) -> None:
    with promotions(shop) as desk:
        other = threading.Thread(target=promote, args=(shop, versions[1]))
        other.start()
        other.join(0.3)
        assert other.is_alive()
        desk.promote(versions[0], "production", "first")
        assert aliases(shop) == {"production": "1"}
    other.join(20)
    assert told(shop) == [("1", "promoted", "production"), ("2", "promoted", "production")]
    assert in_place(shop) == "2"


def test_nobody_rolls_back_past_an_event_of_a_later_version(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[0])
    promote(shop, versions[1])
    later = '{"action": "appealed", "format": 2}'
    client(shop).set_registered_model_tag(REGISTERED_NAME, "history.20990102T030405.500000.00000000", later)
    with pytest.raises(PromotionRefused, match="events of another version of loan-default"):
        rollback(shop)
    assert in_place(shop) == "2"
    client(shop).delete_registered_model_tag(REGISTERED_NAME, "history.20990102T030405.500000.00000000")
    assert rollback(shop).version == "1"
