"""Which model is served: the pointer of a stage, moved as a whole, or the one a Bento carries."""

import shutil
import threading
from pathlib import Path

import pytest

from loan_default.errors import ModelUnavailable
from loan_default.served import Following, Served, bento_tag, find_served, point, unless_followed
from loan_default.settings import Settings

SOURCE = Path("/nowhere/src")


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
