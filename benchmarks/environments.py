"""Environments of their own for rivals whose packages are not ours, made with uv from pinned requirements and kept."""

import os
import subprocess
import sys
from pathlib import Path

from loan_default.errors import LoanDefaultError

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "state" / "benchmarks"
RIVALS = ROOT / "benchmarks" / "rivals"


class RivalFailed(LoanDefaultError):
    """A rival could not be installed, or did not answer."""

    exit_code = 2


def environment(cache: Path, requirements: Path) -> Path:
    """The Python of an environment with these pinned packages; it is made unless it is there already.

    Raises:
        RivalFailed: the packages could not be installed.
    """
    folder = cache.resolve() / f"{requirements.stem}.venv"
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    pinned = requirements.read_text(encoding="utf-8")
    if python.exists() and installed.is_file() and installed.read_text(encoding="utf-8") == pinned:
        return python
    print(f"Making an environment for {requirements.name} in {folder}; this needs PyPI, once.", file=sys.stderr)
    problem = (
        f"The environment of {requirements.name} could not be made in {folder}. Is PyPI within reach? "
        "If not, --offline leaves this rival out. What uv says"
    )
    uv = str(Path(sys.executable).with_name("uv"))
    run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], problem)
    # Wheels alone: no compiler is needed, and nothing of a package runs while it is installed.
    install = [uv, "pip", "sync", "--quiet", "--only-binary", ":all:", "--python", str(python), str(requirements)]
    run(install, problem)
    installed.write_text(pinned, encoding="utf-8")
    return python


def run(command: list[str], problem: str) -> None:
    """Run a command in the repository's folder; an error becomes one that names the problem and what was said."""
    try:
        done = subprocess.run(command, cwd=ROOT, env=surroundings(), capture_output=True, text=True, check=False)
    except OSError as error:
        raise RivalFailed(f"{problem}: {error}.") from None
    if done.returncode:
        raise RivalFailed(f"{problem}:\n{done.stderr.strip()}")


def surroundings() -> dict[str, str]:
    """This environment without what would lead another Python into ours."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
