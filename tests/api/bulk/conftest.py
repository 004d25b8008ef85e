"""A face with real jobs behind it, and keys of several holders; no worker takes the jobs up."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from face import Face
from handed_in import write_keys

from loan_default.served import Served
from loan_default.settings import Settings


@pytest.fixture
def face(settings: Settings, promoted: Served, tmp_path: Path) -> Iterator[Face]:
    """Three holders of keys; portfolios up to 1 MiB, and any below `tmp_path/lake`."""
    assert promoted.model_folder.is_dir()
    write_keys(settings.keys_file)
    (tmp_path / "lake").mkdir()
    changed = {"job_max_upload_mib": 1, "job_max_rows": 1000, "job_sources": str(tmp_path / "lake")}
    made = Face(settings.model_copy(update=changed))
    yield made
    made.online.jobs.close()


@pytest.fixture
def job_files(face: Face) -> Path:
    """Where the folders of jobs are."""
    return face.online.settings.jobs / "files"
