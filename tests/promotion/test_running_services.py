"""A running service keeps its callers, whatever is promoted, rolled back or moved in MLflow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import SOURCE, Killed, aliases, in_place, promote, rollback, settle, told

from loan_default import history, promotion, registry
from loan_default.errors import PromotionRefused
from loan_default.promotion import STAGES, promotions
from loan_default.registry import Registered
from loan_default.served import Following, pointed
from loan_default.settings import Settings, Stage
from loan_default.tracking import client

pytestmark = [
    pytest.mark.integration,
    # Each the business of a library that is imported here alone.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


def test_a_running_service_gets_a_version_that_its_callers_can_go_on_with(
    shop: Settings, versions: list[Registered]
) -> None:
    promote(shop, versions[0])
    service = Following(shop, SOURCE)
    promote(shop, versions[1])
    assert in_place(shop) == "2"
    del service


def test_a_version_that_breaks_callers_waits_until_the_service_is_stopped(
    shop: Settings, versions: list[Registered]
) -> None:
    promote(shop, versions[0])
    service = Following(shop, SOURCE)
    with pytest.raises(PromotionRefused, match=r"bank_balance: was .* which is narrower.*stop the service"):
        promote(shop, versions[2])
    assert (in_place(shop), told(shop)) == ("1", [("1", "promoted", "production")])
    del service
    promote(shop, versions[2])
    assert in_place(shop) == "3"


def test_a_rollback_must_not_break_callers_either(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[2])
    promote(shop, versions[0])
    service = Following(shop, SOURCE)
    with pytest.raises(PromotionRefused, match="Version 3 was not promoted to production: a service is running"):
        rollback(shop)
    assert in_place(shop) == "1"
    del service
    assert rollback(shop).version == "3"


def test_a_version_that_takes_more_than_before_breaks_nobody(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[2])
    service = Following(shop, SOURCE)
    promote(shop, versions[0])
    assert in_place(shop) == "1"
    del service


def test_a_service_of_one_stage_does_not_hold_up_the_other(shop: Settings, versions: list[Registered]) -> None:
    for stage in STAGES:
        promote(shop, versions[0], stage)
    service = Following(shop.model_copy(update={"model_stage": "staging"}), SOURCE)
    promote(shop, versions[2])
    assert in_place(shop) == "3"
    with pytest.raises(PromotionRefused, match="not promoted to staging"):
        promote(shop, versions[2], "staging")
    del service


def a_bento(shop: Settings, folder: Path, version: Registered) -> Path:
    """The folder `src` of a Bento around a version, which nobody has promoted."""
    served = registry.import_into_bentoml(shop, version)
    (folder / "src").mkdir()
    (folder / "bento.yaml").write_text(f"services: [{{name: x, models: [{{tag: '{served.tag}'}}]}}]")
    return folder / "src"


def test_the_first_promotion_must_not_break_callers_of_a_bento_that_follows(
    shop: Settings, versions: list[Registered], tmp_path: Path
) -> None:
    source = a_bento(shop, tmp_path, versions[0])
    service = Following(shop.model_copy(update={"follow_promotions": "on"}), source)
    with pytest.raises(PromotionRefused, match=r"bank_balance: was .* which is narrower.*stop the service"):
        promote(shop, versions[2])
    promote(shop, versions[1])
    assert in_place(shop) == "2"
    del service


def test_a_bento_that_does_not_follow_holds_up_nobody(
    shop: Settings, versions: list[Registered], tmp_path: Path
) -> None:
    service = Following(shop, a_bento(shop, tmp_path, versions[0]))
    promote(shop, versions[2])
    assert in_place(shop) == "3"
    del service


def test_a_bentos_own_model_stays_when_an_alias_would_break_its_callers(
    shop: Settings, versions: list[Registered], tmp_path: Path
) -> None:
    service = Following(shop.model_copy(update={"follow_promotions": "on"}), a_bento(shop, tmp_path, versions[0]))
    moved_in_mlflow(shop, versions[2])
    said: list[str] = []
    with promotions(shop, said.append) as desk:
        assert desk.champion("production") is None
    (warning,) = said
    assert "services stay with the model of their own: a service is running" in warning
    assert warning.endswith("the next command follows the alias.")
    del service
    settle(shop)
    assert in_place(shop) == "3"


def test_a_service_without_a_model_gets_its_first_one(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[0], "staging")  # makes the folder that a service announces itself in
    service = Following(shop, SOURCE)
    promote(shop, versions[2])
    assert in_place(shop) == "3"
    del service


def moved_in_mlflow(settings: Settings, version: Registered, stage: Stage = "production") -> None:
    """What somebody does who moves the alias without us."""
    registry.set_alias(settings, stage, version)


def test_an_alias_moved_in_mlflow_is_followed_while_a_service_runs_when_its_callers_can_go_on(
    shop: Settings, versions: list[Registered]
) -> None:
    promote(shop, versions[0])
    service = Following(shop, SOURCE)
    moved_in_mlflow(shop, versions[1])
    settle(shop)
    assert in_place(shop) == "2"
    del service


def test_an_alias_moved_in_mlflow_is_not_followed_while_callers_would_break_and_then_is(
    shop: Settings, versions: list[Registered], capsys: pytest.CaptureFixture[str]
) -> None:
    promote(shop, versions[0])
    service = Following(shop, SOURCE)
    moved_in_mlflow(shop, versions[2])
    for _ in range(3):
        settle(shop)
        assert pointed(shop, "production").version == "1"
        said = capsys.readouterr().err
        assert "Warning: The alias production names version 3" in said
        assert "services stay with version 1: a service is running, and its callers would break (bank_balance" in said
    assert aliases(shop) == {"production": "3"}  # somebody's decision is not undone behind their back
    assert told(shop) == [("1", "promoted", "production"), ("3", "refused", "production")]  # once
    del service
    settle(shop)
    assert in_place(shop) == "3"
    assert capsys.readouterr().err == ""
    last = history.read(client(shop))[-1]
    assert (last.action, last.version, last.replaced) == ("promoted", "3", "1")


@pytest.fixture
def held_back(shop: Settings, versions: list[Registered]) -> Iterator[None]:
    """Version 1 is served, and the alias has been moved to one that would break its callers."""
    promote(shop, versions[0])
    service = Following(shop, SOURCE)
    moved_in_mlflow(shop, versions[2])
    yield
    del service


@pytest.mark.usefixtures("held_back")
def test_whoever_holds_the_desk_is_told_of_an_alias_that_is_not_followed(shop: Settings) -> None:
    said: list[str] = []
    with promotions(shop, said.append) as desk:
        assert desk.champion("production") == pointed(shop, "production")  # a challenger is up against what is served
    assert len(said) == 1


@pytest.mark.usefixtures("held_back")
def test_promoting_the_served_version_moves_an_alias_back_that_could_not_be_followed(
    shop: Settings, versions: list[Registered]
) -> None:
    promote(shop, versions[0], reason="that was a slip")
    assert in_place(shop) == "1"
    last = history.read(client(shop))[-1]
    assert (last.version, last.replaced, last.reason) == ("1", "1", "that was a slip")


@pytest.mark.usefixtures("held_back")
def test_another_promotion_replaces_what_was_served_not_what_the_alias_named(
    shop: Settings, versions: list[Registered]
) -> None:
    promote(shop, versions[1])
    assert (in_place(shop), history.read(client(shop))[-1].replaced) == ("2", "1")
    assert rollback(shop).version == "1"


def test_a_second_slip_after_another_promotion_is_told_anew(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[0])
    service = Following(shop, SOURCE)
    for version in versions[:2]:
        promote(shop, version)
        moved_in_mlflow(shop, versions[2])
        settle(shop)
    assert told(shop) == [
        (version, action, "production") for version, action in zip("1323", ["promoted", "refused"] * 2, strict=True)
    ]
    del service


def test_a_promotion_killed_half_way_is_finished_only_when_no_new_service_would_break(
    shop: Settings, versions: list[Registered], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Killed

    promote(shop, versions[0])
    with promotions(shop) as desk:
        monkeypatch.setattr(promotion, "point", killed)
        with pytest.raises(Killed):
            desk.promote(versions[2], "production", "good")
    monkeypatch.undo()
    service = Following(shop, SOURCE)  # started right after the kill
    settle(shop)
    assert pointed(shop, "production").version == "1"
    del service
    settle(shop)
    assert in_place(shop) == "3"
