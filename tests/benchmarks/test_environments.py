"""Environments of rivals: made once, and a clear word when they cannot be."""

from pathlib import Path

import pytest

from benchmarks.environments import RivalFailed, environment


def test_no_package_index_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    requirements = tmp_path / "rival.txt"
    requirements.write_text("optbinning==1.0.0\n", encoding="utf-8")
    with pytest.raises(RivalFailed, match="Is PyPI within reach"):
        environment(tmp_path / "cache", requirements)


def test_an_environment_that_is_there_needs_no_package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    requirements = tmp_path / "rival.txt"
    requirements.write_text("# no packages\n", encoding="utf-8")
    python = environment(tmp_path, requirements)
    monkeypatch.setattr("benchmarks.environments.run", lambda *_: pytest.fail("it was made again"))
    assert environment(tmp_path, requirements) == python
