"""What a report may do."""

import base64
import hashlib

from drift.page.policy import policy


def test_only_the_scripts_of_evidently_run() -> None:
    script = "let x = 1;\r\ndraw(x)"
    expected = base64.b64encode(hashlib.sha256(b"let x = 1;\ndraw(x)").digest()).decode()
    said = policy(f"<html><script type='module'>{script}</script></html>")
    assert f"script-src 'sha256-{expected}';" in said
    assert said.startswith("default-src 'none';")
    assert "unsafe" not in said.replace("style-src 'unsafe-inline'", "")


def test_without_evidently_no_script_runs() -> None:
    assert "script-src 'none';" in policy("")
