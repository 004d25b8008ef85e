"""docs/deploy/loan-default.service: systemd takes it, and it agrees with itself and with the page about it."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
from installation import ROOT

UNIT = ROOT / "docs" / "deploy" / "loan-default.service"


def service() -> dict[str, str]:
    """The settings of the unit; of a name that is there twice, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parser.read(UNIT)
    return dict(parser["Service"])


def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    command = tmp_path / "loan-default"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    unit = tmp_path / "loan-default.service"
    # It looks for the command and for the page; the user is asked for when it starts.
    text = UNIT.read_text().replace("/opt/loan-default/.venv/bin/loan-default", str(command))
    unit.write_text(text.replace("/opt/loan-default", str(ROOT)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60, check=False
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "loan-default" in line]
    assert ours == []


def test_its_time_to_stop_is_enough_and_its_paths_agree() -> None:
    unit = service()
    variables = dict(pair.split("=", 1) for pair in unit["Environment"].split())
    assert int(unit["TimeoutStopSec"]) >= 30
    assert unit["KillMode"] == "mixed"
    assert variables["STATE_DIR"] == f"/var/lib/{unit['StateDirectory']}"
    assert unit["ExecStart"].startswith(f"{unit['WorkingDirectory']}/.venv/bin/loan-default ")
    page = (ROOT / "docs" / "operations" / "install.md").read_text()
    for path in (unit["WorkingDirectory"], variables["STATE_DIR"], unit["EnvironmentFile"].removeprefix("-")):
        assert path in page
