"""Which model is served: the pointer of a stage, moved as a whole, or the one a Bento carries."""

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from models import put_in_production

from loan_default.errors import ModelUnavailable
from loan_default.model import LoanModel
from loan_default.served import Following, Served, bento_tag, find_served, followers_schema, point, unless_followed
from loan_default.settings import Settings

SOURCE = Path("/nowhere/src")


@pytest.fixture
def following(settings: Settings, tmp_path: Path) -> Settings:
    """As in an image: a store of the Bento's own, and promotions that are followed."""
    return settings.model_copy(update={"follow_promotions": "on", "bentoml_home": tmp_path / "home"})


@pytest.fixture
def bento(following: Settings, loan_model: LoanModel, tmp_path: Path) -> Iterator[Path]:
    """The folder `src` of a Bento that carries version 3, which is in its own store."""
    folder = following.bentoml_store / "models" / "loan_default" / "3-89abcdef"
    pinned = Served("loan_default:3-89abcdef", folder)
    loan_model.save(pinned.model_folder)
    model = {"name": "loan_default", "version": "3-89abcdef", "module": "", "labels": {}, "options": {}, "metadata": {}}
    model |= {
        "context": {"framework_name": "", "framework_versions": {}, "bentoml_version": "1", "python_version": "3"}
    }
    model |= {"signatures": {}, "api_version": "v1", "creation_time": "2026-01-02T03:04:05+00:00"}
    (folder / "model.yaml").write_text(json.dumps(model))
    (tmp_path / "src").mkdir()
    (tmp_path / "bento.yaml").write_text(f"services: [{{name: x, models: [{{tag: '{pinned.tag}'}}]}}]")
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.models.model import ModelStore

    # BentoML reads its home once in a process; here each test has another.
    BentoMLContainer.model_store.set(ModelStore(following.bentoml_store / "models"))
    yield tmp_path / "src"
    BentoMLContainer.model_store.reset()


def test_the_pointer_leads_to_what_was_promoted(settings: Settings, promoted: Served) -> None:
    assert find_served(settings, SOURCE) == promoted
    assert promoted.version == "7"


def test_stages_point_at_models_of_their_own(settings: Settings, promoted: Served) -> None:
    assert promoted.version == "7"
    with pytest.raises(ModelUnavailable, match="No model has been promoted to staging yet: run `make train`"):
        find_served(settings.model_copy(update={"model_stage": "staging"}), SOURCE)


def test_moving_the_pointer_leaves_no_drafts(settings: Settings, promoted: Served) -> None:
    point(settings, "production", promoted)
    assert [path.name for path in (settings.state / "served").iterdir()] == ["production.json"]


def test_state_can_be_moved_as_a_whole(settings: Settings, promoted: Served, tmp_path: Path) -> None:
    shutil.move(settings.state, tmp_path / "moved")
    moved = Settings(_env_file=None, state_dir=tmp_path / "moved")
    assert find_served(moved, SOURCE).model_folder.is_dir()
    assert find_served(moved, SOURCE).tag == promoted.tag


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"tag": 1, "folder": null}'])
def test_a_broken_pointer_is_a_clear_error(settings: Settings, promoted: Served, content: str) -> None:
    assert promoted.folder.is_dir()
    (settings.state / "served" / "production.json").write_text(content)
    with pytest.raises(ModelUnavailable, match=r"production\.json cannot be read"):
        find_served(settings, SOURCE)


def test_a_model_gone_from_the_store_is_a_clear_error(settings: Settings, promoted: Served) -> None:
    shutil.rmtree(promoted.folder)
    with pytest.raises(ModelUnavailable, match="check BENTOML_HOME and STATE_DIR"):
        find_served(settings, SOURCE)


@pytest.mark.parametrize("manifest", ["services: []", "services: [{name: x, models: [{tag: 'other:1'}]}]", "{}"])
def test_a_bento_without_a_model_says_so(settings: Settings, promoted: Served, tmp_path: Path, manifest: str) -> None:
    """A Bento never falls back to the pointer: it serves its own model or none."""
    assert promoted.folder.is_dir()
    (tmp_path / "src").mkdir()
    (tmp_path / "bento.yaml").write_text(manifest)
    with pytest.raises(ModelUnavailable, match="This Bento carries no model"):
        find_served(settings, tmp_path / "src")


def test_versions_of_two_registries_never_share_a_tag() -> None:
    assert bento_tag("1", "a" * 32) != bento_tag("1", "b" * 32)
    assert Served(bento_tag("12", "a" * 32), Path()).version == "12"


def followed(settings: Settings) -> bool:
    with unless_followed(settings, "production") as somebody:
        return somebody


def test_a_service_is_known_to_follow_its_stage_while_it_lives(settings: Settings, promoted: Served) -> None:
    assert promoted.folder.is_dir()
    assert not followed(settings)
    first, second = Following(settings, SOURCE), Following(settings, SOURCE)
    assert followed(settings)
    del first
    assert followed(settings)
    del second
    assert not followed(settings)


def test_a_service_of_another_stage_does_not_count(settings: Settings, promoted: Served) -> None:
    assert promoted.folder.is_dir()
    staging = Following(settings.model_copy(update={"model_stage": "staging"}), SOURCE)
    assert not followed(settings)
    del staging


def test_inside_a_bento_nothing_is_followed(settings: Settings, promoted: Served, tmp_path: Path) -> None:
    assert promoted.folder.is_dir()
    (tmp_path / "src").mkdir()
    (tmp_path / "bento.yaml").write_text("services: []")
    following = Following(settings, tmp_path / "src")
    assert not followed(settings)
    del following


def test_a_bento_that_follows_promotions_begins_with_its_own_model(following: Settings, bento: Path) -> None:
    assert find_served(following, bento).tag == "loan_default:3-89abcdef"


def test_it_answers_with_what_is_promoted_from_the_store_beside_the_pointer(
    following: Settings, bento: Path, loan_model: LoanModel
) -> None:
    """Its own store, in BENTOML_HOME, is a part of its image."""
    promoted = put_in_production(Settings(_env_file=None, state_dir=following.state), loan_model, "4")
    assert promoted.folder.is_relative_to(following.state)
    assert find_served(following, bento) == promoted


def test_a_broken_pointer_does_not_bring_back_a_bentos_own_model(following: Settings, bento: Path) -> None:
    (following.state / "served").mkdir(parents=True)
    (following.state / "served" / "production.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match=r"production\.json cannot be read"):
        find_served(following, bento)


def test_a_bento_that_follows_leaves_its_declaration_for_promotions(following: Settings, bento: Path) -> None:
    with pytest.raises(ModelUnavailable):
        followers_schema(following, "production")
    service = Following(following, bento)
    assert followed(following)
    own = find_served(following, bento).model_folder / "schema.json"
    assert followers_schema(following, "production").read_bytes() == own.read_bytes()
    del service


def test_after_a_promotion_callers_go_by_the_promoted_declaration(
    following: Settings, bento: Path, loan_model: LoanModel
) -> None:
    service = Following(following, bento)
    promoted = put_in_production(following, loan_model, "4")
    assert followers_schema(following, "production") == promoted.model_folder / "schema.json"
    del service


def test_a_bento_without_a_model_follows_all_the_same(following: Settings, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "bento.yaml").write_text("services: []")
    service = Following(following, tmp_path / "src")
    assert followed(following)
    del service


def test_workers_of_a_bento_start_together(following: Settings, bento: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        services = list(pool.map(lambda _: Following(following, bento), range(32)))
    assert followed(following)
    assert sorted(path.suffix for path in (following.state / "served").iterdir()) == [".followed", ".json", ".lock"]
    services.clear()
    assert not followed(following)


def test_a_state_folder_that_cannot_be_written_to_is_served_from_all_the_same(settings: Settings) -> None:
    assert Following(settings, SOURCE) is not None
    assert not settings.state.exists()


def test_no_service_starts_while_a_pointer_moves(settings: Settings, promoted: Served) -> None:
    """Starting waits for the lock that a promotion holds."""
    assert promoted.folder.is_dir()
    started: list[Following] = []
    with unless_followed(settings, "production") as somebody:
        assert not somebody
        starting = threading.Thread(target=lambda: started.append(Following(settings, SOURCE)))
        starting.start()
        starting.join(0.2)
        assert starting.is_alive()
    starting.join(5)
    assert len(started) == 1
