"""Schemathesis over the whole OpenAPI document, against a real server: no 5xx, and nothing that is not described."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from installation import KEY, ROOT, Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HERE = ROOT / "tests" / "e2e"
_AT_MOST_S = 150


def test_every_call_answers_as_the_document_says_whatever_is_sent(server: Server, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    with server.client() as client:
        document.write_bytes(client.get("/openapi.json").content)
    st = Path(sys.executable).with_name("st")
    command = [str(st), "--config-file", str(HERE / "schemathesis.toml"), "run", str(document), "--url", server.url]
    given = {"KEY_FOR_FUZZING": KEY, "HOOKS_FOR_FUZZING": str(HERE / "fuzz_checks.py")}
    done = subprocess.run(
        [*command, "--no-color"],
        cwd=tmp_path,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=_AT_MOST_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
