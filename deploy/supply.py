"""What images are made of, and whether any of it is known to be faulty; `make sbom` and `make audit` run it.

    python -m deploy.supply sbom FOLDER    a CycloneDX list of each image's Python packages, from its lock file
    python -m deploy.supply audit          looks each locked version up in PyPI's advisories

The audit ends with exit code 1 when a package is known to be faulty, and with 3 when it could not look everything up:
pip-audit itself calls it a success when an index, a mirror for one, knows no advisories at all.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loan_default import __version__

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    "loan_default": ROOT / "requirements" / "serving.txt",
    "loan_default_drift": ROOT / "requirements" / "drift.txt",
    "loan_default_training": ROOT / "requirements" / "training.txt",
}
# Advisories that do not concern us, by their ids, each with the reason.
ACCEPTED: Mapping[str, str] = {}
FAULTY, NOT_LOOKED_UP = 1, 3


def write_sboms(tools: Path, folder: Path) -> None:
    """Write the lists of all images."""
    folder.mkdir(parents=True, exist_ok=True)
    for image, lock in LOCKS.items():
        listed = folder / f"{image}-{__version__}.cdx.json"
        options = ("--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--validate")
        subprocess.run([tools / "cyclonedx-py", "requirements", *options, "-o", str(listed), str(lock)], check=True)
        # The tool cannot know the version: pyproject.toml takes it from the package.
        content = json.loads(listed.read_text(encoding="utf-8"))
        content["metadata"]["component"] |= {"name": image, "version": __version__}
        listed.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        print(f"{listed}: {len(content['components'])} packages")


def audit(tools: Path, locks: Sequence[Path]) -> int:
    """Look up every package of `locks`, and say what was found; returns the exit code."""
    command: list[str | Path] = [tools / "pip-audit", "--format=json", "--disable-pip", "--require-hashes"]
    command += ["--progress-spinner=off", *(f"--requirement={lock}" for lock in locks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        print(f"Nothing was looked up: {(done.stderr.splitlines() or ['pip-audit says nothing'])[-1]}", file=sys.stderr)
        return NOT_LOOKED_UP
    return judge(json.loads(done.stdout)["dependencies"], ACCEPTED)


def judge(found: Sequence[Mapping[str, Any]], accepted: Mapping[str, str]) -> int:
    """Say what pip-audit found of each package; returns the exit code."""
    skipped = [package["name"] for package in found if "skip_reason" in package]
    faults = [
        f"{package['name']} {package['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'none'}"
        for package in found
        for fault in package.get("vulns", ())
        if not accepted.keys() & {fault["id"], *fault.get("aliases", ())}
    ]
    for fault in faults:
        print(fault)
    print(f"{len(found) - len(skipped)} of {len(found)} packages were looked up, {len(faults)} faults are known.")
    if skipped:
        print(f"The index knows nothing of {len(skipped)} of them: {', '.join(sorted(skipped)[:5])} …", file=sys.stderr)
    return FAULTY if faults else NOT_LOOKED_UP if skipped or not found else 0


if __name__ == "__main__":
    _tools = ROOT / "state" / "tools.venv" / "bin"
    match sys.argv[1:]:
        case ["sbom", _folder]:
            write_sboms(_tools, Path(_folder))
        case ["audit"]:
            sys.exit(audit(_tools, [*LOCKS.values()]))
        case _:
            sys.exit(__doc__)
