"""An audit that could not look everything up is none; faults are told, accepted ones aside."""

import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.supply import FAULTY, LOCKS, NOT_LOOKED_UP, audit, judge

FINE: dict[str, Any] = {"name": "fine", "version": "1", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}
BROKEN = {
    "name": "broken",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"], "description": ""}],
}


@pytest.mark.parametrize(
    ("found", "accepted", "code"),
    [
        ([FINE], {}, 0),
        ([FINE, UNKNOWN], {}, NOT_LOOKED_UP),
        ([], {}, NOT_LOOKED_UP),
        ([FINE, BROKEN], {}, FAULTY),
        ([BROKEN, UNKNOWN], {}, FAULTY),
        ([BROKEN], {"CVE-1": "we do not parse"}, 0),
    ],
)
def test_the_exit_code_says_what_was_found(found: list[Any], accepted: dict[str, str], code: int) -> None:
    assert judge(found, accepted) == code


def test_a_fault_is_told_with_what_mends_it(capsys: pytest.CaptureFixture[str]) -> None:
    judge([FINE, BROKEN], {})
    assert "broken 2: PYSEC-1, mended in 2.1" in capsys.readouterr().out


def test_a_tool_that_breaks_is_no_success(tmp_path: Path) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!{sys.executable}\nraise SystemExit('no such host')\n")
    tool.chmod(0o755)
    assert audit(tmp_path, []) == NOT_LOOKED_UP


def test_each_image_has_its_lock_and_each_package_of_it_a_hash() -> None:
    for lock in LOCKS.values():
        lines = lock.read_text().splitlines()
        pinned = [line for line in lines if "==" in line and not line.startswith((" ", "#"))]
        assert len(pinned) > 50
        assert all(line.endswith("\\") for line in pinned)


def test_the_images_share_their_versions() -> None:
    pins = {
        name: dict(
            line.split(" ")[0].split("==")
            for line in lock.read_text().splitlines()
            if "==" in line[:60] and line[0].isalpha()
        )
        for name, lock in LOCKS.items()
    }
    serving = pins["loan_default"]
    for name, other in pins.items():
        assert {package: other.get(package) for package in serving} == serving, name
