"""Which model is served: the pointer of a stage, moved as a whole, or the one a Bento carries."""

import shutil
from pathlib import Path

import pytest

from loan_default.errors import ModelUnavailable
from loan_default.served import Served, bento_tag, find_served, point
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
