"""Promotions on real MLflow and BentoML stores: alias, pointer and history agree, whatever happens in between."""

import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from models import complete

from loan_default import history, promotion, registry
from loan_default.errors import ModelUnavailable, NoSuchVersion, PromotionRefused
from loan_default.model import LoanModel
from loan_default.promotion import STAGES, promotions, told_history
from loan_default.registry import Registered, aliased, log_and_register
from loan_default.served import REGISTERED_NAME, Following, Served, bento_tag, point, pointed
from loan_default.settings import Settings, Stage
from loan_default.tracking import client, training_run
from loan_default.training.fit import Fitted

pytestmark = [
    pytest.mark.integration,
    # Each the business of a library that is imported here alone.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

SOURCE = Path("/nowhere/src")
CARDS = {"model_card.html": b"<p>A model.</p>", "model_card.md": b"A model."}


def narrowed(model: LoanModel) -> LoanModel:
    """The same model, but it takes no balance above 100,000 dollars: callers who send one would break."""
    columns = [
        column.model_copy(update={"maximum": 100_000.0}) if column.name == "bank_balance" else column
        for column in model.schema.columns
    ]
    schema = model.schema.model_copy(update={"columns": tuple(columns)})
    return LoanModel.assemble(schema, model.booster, model.decision, model.about)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, fitted: Fitted) -> Iterator[tuple[str, list[Registered]]]:
    """The URI of an MLflow store with three versions; the third takes less than the others."""
    folder = tmp_path_factory.mktemp("registry")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BENTOML_HOME", str(folder / "bentoml"))  # both are set again when stores are opened
        environment.setenv("MLFLOW_TRACKING_URI", "")
        environment.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        environment.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        settings = Settings(_env_file=None, state_dir=folder, mlflow_tracking_uri=None)
        plain = complete(fitted)
        versions = []
        for model in (plain, plain, narrowed(plain)):
            with training_run(settings) as run_id:
                about = model.about.model_copy(update={"run_id": run_id, "git_commit": "beef"})
                own = LoanModel.assemble(model.schema, model.booster, model.decision, about)
                versions.append(log_and_register(settings, own, CARDS))
        yield settings.tracking_uri, versions


@pytest.fixture
def versions(registered: tuple[str, list[Registered]]) -> list[Registered]:
    """The three versions."""
    return registered[1]


@pytest.fixture
def shop(tmp_path: Path, registered: tuple[str, list[Registered]]) -> Iterator[Settings]:
    """A state folder and a BentoML store of their own, nothing promoted and no history."""
    settings = Settings(
        _env_file=None,
        state_dir=tmp_path / "state",
        bentoml_home=tmp_path / "bentoml",
        mlflow_tracking_uri=registered[0],
        model_stage="production",
    )
    mlflow = client(settings)
    found = mlflow.get_registered_model(REGISTERED_NAME)
    for alias in found.aliases:
        mlflow.delete_registered_model_alias(REGISTERED_NAME, alias)
    for key in found.tags:
        mlflow.delete_registered_model_tag(REGISTERED_NAME, key)
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.models.model import ModelStore

    # BentoML reads its home once in a process; here each test has another.
    (tmp_path / "bentoml" / "models").mkdir(parents=True)
    BentoMLContainer.model_store.set(ModelStore(tmp_path / "bentoml" / "models"))
    yield settings
    BentoMLContainer.model_store.reset()


def promote(settings: Settings, version: Registered, stage: Stage = "production", reason: str = "good") -> Served:
    with promotions(settings) as desk:
        return desk.promote(version, stage, reason)


def rollback(settings: Settings, stage: Stage = "production", reason: str = "complaints") -> Served:
    with promotions(settings) as desk:
        return desk.rollback(stage, reason)


def settle(settings: Settings) -> None:
    with promotions(settings):
        pass


def told(settings: Settings) -> list[tuple[str, str, str]]:
    """Version, action and stage of each event."""
    return [(event.version, event.action, event.stage) for event in history.read(client(settings))]


def in_place(settings: Settings, stage: Stage = "production") -> str | None:
    """The promoted version; alias, pointer, store and history must agree on it."""
    registered = aliased(settings, stage)
    events = [event for event in history.read(client(settings)) if event.stage == stage and event.action != "refused"]
    if registered is None:
        assert not events
        with pytest.raises(ModelUnavailable):
            pointed(settings, stage)
        return None
    served = pointed(settings, stage)
    assert served.tag == bento_tag(registered.version, registered.run_id)
    assert LoanModel.load(served.model_folder).about.run_id == registered.run_id
    assert events[-1].version == registered.version
    return registered.version


def aliases(settings: Settings) -> dict[str, str]:
    found: dict[str, Any] = client(settings).get_registered_model(REGISTERED_NAME).aliases
    return {stage: str(version) for stage, version in found.items()}


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


# What an interruption leaves behind


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


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


# Running services


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


def test_whoever_holds_the_desk_is_told_of_an_alias_that_is_not_followed(
    shop: Settings, versions: list[Registered]
) -> None:
    promote(shop, versions[0])
    service = Following(shop, SOURCE)
    moved_in_mlflow(shop, versions[2])
    said: list[str] = []
    with promotions(shop, said.append) as desk:
        assert desk.champion("production") == pointed(shop, "production")  # a challenger is up against what is served
    assert len(said) == 1
    del service


def test_promoting_the_served_version_moves_an_alias_back_that_could_not_be_followed(
    shop: Settings, versions: list[Registered]
) -> None:
    promote(shop, versions[0])
    service = Following(shop, SOURCE)
    moved_in_mlflow(shop, versions[2])
    promote(shop, versions[0], reason="that was a slip")
    assert in_place(shop) == "1"
    last = history.read(client(shop))[-1]
    assert (last.version, last.replaced, last.reason) == ("1", "1", "that was a slip")
    del service


def test_another_promotion_replaces_what_was_served_not_what_the_alias_named(
    shop: Settings, versions: list[Registered]
) -> None:
    promote(shop, versions[0])
    service = Following(shop, SOURCE)
    moved_in_mlflow(shop, versions[2])
    promote(shop, versions[1])
    assert (in_place(shop), history.read(client(shop))[-1].replaced) == ("2", "1")
    assert rollback(shop).version == "1"
    del service


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


# Commands at the same time


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
