"""A folder that is lent to Podman's builds: uv, its cache, and what this machine needs to reach a package index.

BentoML's Containerfile installs packages with uv, and installs uv first where there is none: 60 MB that a running
service never uses. Lent as /usr/local/sbin, which is on the PATH, it is found, and is gone when the build is over. So
are the index and the certificates of an organisation's mirror, which must not end in an image.
"""

import os
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loan_default.locks import locked

# Where a build sees the folder.
INSIDE = "/usr/local/sbin"


@contextmanager
def uv_folder(state: Path) -> Iterator[Path]:
    """The folder, below `state`, readable by its owner alone; of its content only the cache outlives the block."""
    folder = state / "images" / "lent"
    with locked(state / "images" / "lock"):  # one build at a time: each takes back what it lent
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        yield from _lending(folder)


def _lending(folder: Path) -> Iterator[Path]:
    lent = {name: folder / name for name in ("uv", "uv-itself", "certificates.pem")}
    try:
        shutil.copy2(_uv(), lent["uv-itself"])
        certificates = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
        if certificates:
            shutil.copyfile(certificates, lent["certificates.pem"])
        lent["uv"].write_text(_script(with_certificates=bool(certificates)), encoding="utf-8")
        lent["uv"].chmod(0o755)
        yield folder
    finally:
        for path in lent.values():
            path.unlink(missing_ok=True)


def _script(*, with_certificates: bool) -> str:
    """The command `uv` that a build finds."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(("UV_INDEX", "UV_DEFAULT_INDEX"))}
    index = _pips_index()
    if index is not None:
        variables.setdefault("UV_DEFAULT_INDEX", index)
    if with_certificates:
        variables["SSL_CERT_FILE"] = f"{INSIDE}/certificates.pem"
    variables |= {"UV_CACHE_DIR": f"{INSIDE}/cache", "UV_LINK_MODE": "copy"}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    return "\n".join(["#!/bin/sh", *lines, f'exec {INSIDE}/uv-itself "$@"', ""])


def _pips_index() -> str | None:
    """The index that pip uses on this machine, if it is not pip's own."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    return os.environ.get("PIP_INDEX_URL") or done.stdout.strip() or None


def _uv() -> str:
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise SystemExit("uv is not installed: run `make setup`.")
    return found
