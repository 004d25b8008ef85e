"""Two workers that take in the same Idempotency-Key at the same moment make one job between them."""

import json
from pathlib import Path
from typing import Any

import pytest
from face import Face
from handed_in import FILE, csv, form, key

from loan_default.api.bulk import intake


@pytest.mark.parametrize(("rows", "status"), [(3, 202), (4, 409)])
def test_the_slower_of_two_workers_gives_the_job_of_the_faster_or_a_conflict(
    face: Face, job_files: Path, monkeypatch: pytest.MonkeyPatch, rows: int, status: int
) -> None:
    headers = {**key("analyst"), "Idempotency-Key": "may"}
    inspect = intake._inspect  # noqa: SLF001
    faster: list[str] = []

    def while_it_is_looked_at(*arguments: Any) -> Any:
        if not faster:
            faster.append("")
            other = Face(face.online.settings)  # another worker of the same state folder
            faster[0] = other.call("POST", FILE, files=form(csv(rows)), headers=headers).json()["job_id"]
            other.online.jobs.close()
        return inspect(*arguments)

    monkeypatch.setattr(intake, "_inspect", while_it_is_looked_at)
    answer = face.call("POST", FILE, files=form(csv(3)), headers=headers)
    assert answer.status_code == status, answer.text
    (folder,) = job_files.iterdir()  # the faster one's; nothing of the slower one's is left
    assert json.loads((folder / "job.json").read_text())["inspected"]["order"]["rows"] == rows
    again = face.call("POST", FILE, files=form(csv(rows)), headers=headers)
    assert again.json()["job_id"] == faster[0]
