"""Writes into .env what compose.yaml must not run without: random secrets, as far as they are missing.

    python deploy/compose/env.py [FILE]

What stands in the file already stays as it is, so it is safe to repeat. The file is readable by its owner alone.
"""

import os
import re
import secrets
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# In a database's address a password needs no quoting when it is hexadecimal.
SECRETS = (
    "API_KEY",
    "POSTGRES_PASSWORD",
    "LOAN_DEFAULT_DB_PASSWORD",
    "MLFLOW_DB_PASSWORD",
    "REDIS_PASSWORD",
    "DRIFT_KEY",
    "MLFLOW_TRACKING_PASSWORD",
    "GRAFANA_ADMIN_PASSWORD",
)
NAMES = {"MLFLOW_TRACKING_USERNAME": "admin", "GRAFANA_ADMIN_USER": "admin"}


def main(path: Path) -> None:
    """Complete the file, and say which variables were added; their values are not shown."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    given = set(re.findall(r"^\s*(?:export\s+)?(\w+)=(?!#|(?:\"\"|'')\s*(?:#.*)?$)\S", before, re.MULTILINE))
    wanted = {**NAMES, **{name: secrets.token_hex(24) for name in SECRETS}}
    missing = {name: value for name, value in wanted.items() if name not in given}
    if missing:
        start = before if before.endswith("\n") or not before else before + "\n"
        lines = [f"{name}={value}" for name, value in missing.items()]
        _replace(path, start + "# Of compose.yaml, made at random by `make env`.\n" + "\n".join(lines) + "\n")
    path.chmod(0o600)
    sys.stdout.write(f"{path.name}: {'added ' + ', '.join(missing) if missing else 'nothing was missing'}\n")


def _replace(path: Path, text: str) -> None:
    """In one step, and never readable by others."""
    number, draft = tempfile.mkstemp(dir=path.parent, prefix=".env-")  # mode 0600
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / ".env")
