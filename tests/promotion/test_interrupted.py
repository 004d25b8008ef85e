"""What an interruption leaves behind is put in order by the next command."""

import shutil
from contextlib import suppress
from typing import Any

import pytest
from desk import Killed, in_place, promote, rollback, settle, told

from loan_default import history, promotion, registry
from loan_default.errors import PromotionRefused
from loan_default.promotion import promotions
from loan_default.registry import Registered
from loan_default.served import REGISTERED_NAME, bento_tag, pointed
from loan_default.settings import Settings
from loan_default.tracking import client

pytestmark = [
    pytest.mark.integration,
    # Each the business of a library that is imported here alone.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


@pytest.mark.parametrize(
    ("module", "step", "after"),
    [
        (promotion, "import_into_bentoml", "1"),
        (promotion, "set_alias", "1"),
        (promotion, "point", "2"),
        (history, "record", "2"),
    ],
    ids=["import", "alias", "pointer", "history"],
)
def test_a_promotion_killed_before_any_step_is_put_in_order_by_the_next_command(  # noqa: PLR0913, PLR0917  # fixtures
    shop: Settings, versions: list[Registered], monkeypatch: pytest.MonkeyPatch, module: Any, step: str, after: str
) -> None:
    promote(shop, versions[0])

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with promotions(shop) as desk:
        monkeypatch.setattr(module, step, killed)
        with pytest.raises(Killed):
            desk.promote(versions[1], "production", "good")
    monkeypatch.undo()
    settle(shop)
    assert in_place(shop) == after
    promote(shop, versions[1])  # safe to repeat
    assert in_place(shop) == "2"
    assert told(shop) == [("1", "promoted", "production"), ("2", "promoted", "production")]
    assert rollback(shop).version == "1"


def test_an_alias_without_its_pointer_is_followed(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[0])
    registry.set_alias(shop, "production", versions[1])
    assert pointed(shop, "production").version == "1"
    settle(shop)
    assert in_place(shop) == "2"
    last = history.read(client(shop))[-1]
    assert (last.action, last.replaced) == ("promoted", "1")
    assert "moved in MLflow itself" in last.reason


@pytest.mark.parametrize("content", [None, "", "{", "{}"])
def test_a_lost_or_broken_pointer_is_made_again_without_an_event(
    shop: Settings, versions: list[Registered], content: str | None
) -> None:
    promote(shop, versions[0])
    pointer = shop.state / "served" / "production.json"
    pointer.unlink()
    if content is not None:
        pointer.write_text(content)
    settle(shop)
    assert in_place(shop) == "1"
    assert told(shop) == [("1", "promoted", "production")]


def test_a_lost_event_is_written_once(shop: Settings, versions: list[Registered]) -> None:
    promote(shop, versions[0])
    for key in client(shop).get_registered_model(REGISTERED_NAME).tags:
        client(shop).delete_registered_model_tag(REGISTERED_NAME, key)
    settle(shop)
    settle(shop)
    assert told(shop) == [("1", "promoted", "production")]
    assert in_place(shop) == "1"


def test_a_model_gone_from_the_bentoml_store_is_imported_again(shop: Settings, versions: list[Registered]) -> None:
    shutil.rmtree(promote(shop, versions[0]).folder)
    settle(shop)
    assert in_place(shop) == "1"


@pytest.mark.parametrize("left", [[], ["model.yaml"], ["mlflow_model/half"]])
def test_a_half_written_import_is_never_believed(shop: Settings, versions: list[Registered], left: list[str]) -> None:
    tag = bento_tag(versions[0].version, versions[0].run_id)
    folder = shop.bentoml_store / "models" / tag.replace(":", "/")
    for name in ["mlflow_model", *left]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if name in left else path.mkdir()
    promote(shop, versions[0])
    assert in_place(shop) == "1"
    assert not (folder / "mlflow_model" / "half").exists()


@pytest.mark.parametrize(
    ("module", "step"),
    [(promotion, "import_into_bentoml"), (promotion, "set_alias"), (promotion, "point"), (history, "record")],
    ids=["import", "alias", "pointer", "history"],
)
def test_a_rollback_that_was_killed_and_is_repeated_does_not_bring_back_what_it_took_away(
    shop: Settings, versions: list[Registered], monkeypatch: pytest.MonkeyPatch, module: Any, step: str
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    promote(shop, versions[0])
    promote(shop, versions[1])
    with promotions(shop) as desk:
        monkeypatch.setattr(module, step, killed)
        with pytest.raises(Killed):
            desk.rollback("production", "complaints")
    monkeypatch.undo()
    with suppress(PromotionRefused):
        rollback(shop)
    assert in_place(shop) == "1"
    assert told(shop)[-1] == ("1", "rolled back", "production")


def test_an_altered_model_can_be_promoted_though_its_event_has_gaps(shop: Settings, versions: list[Registered]) -> None:
    """A rollback in an emergency does not fail because nobody can say how good the model was."""
    with promotions(shop) as desk:
        folder = registry.import_into_bentoml(shop, versions[0]).model_folder
        (folder / "about.json").write_text("{}")
        desk.promote(versions[0], "production", "emergency")
        (event,) = desk.history()
    assert (event.version, event.data_sha256, event.git_commit, event.figures) == ("1", None, None, {})
