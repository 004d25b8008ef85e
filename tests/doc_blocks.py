"""The commands of a page of docs/, to be run as they stand."""

import re
import subprocess
from pathlib import Path

import worked_examples
from installation import ROOT


def blocks(page: str, language: str = "bash", section: str | None = None) -> list[str]:
    """The code blocks of a page, or of one of its sections, in their order."""
    text = (ROOT / "docs" / page).read_text()
    if section is not None:
        (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    found = worked_examples.blocks(text, language)
    assert found, f"{page} has no such commands"
    return found


def run(block: str, folder: Path, variables: dict[str, str]) -> str:
    """What a block prints; each of its commands must end well."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout
