"""The example for Alertmanager: that it is read, and who is told of what."""

import shutil
import subprocess

import pytest
from promql import MONITORING

EXAMPLE = MONITORING / "alertmanager.example.yaml"
AMTOOL = shutil.which("amtool")
needs_amtool = pytest.mark.skipif(AMTOOL is None, reason="amtool comes with Debian's package prometheus-alertmanager")


def amtool(*arguments: str) -> str:
    assert AMTOOL is not None
    done = subprocess.run([AMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_amtool
def test_alertmanager_reads_it() -> None:
    assert "SUCCESS" in amtool("check-config", str(EXAMPLE))


@needs_amtool
@pytest.mark.parametrize(("severity", "receiver"), [("critical", "on-call"), ("warning", "by-day")])
def test_what_is_critical_wakes_somebody_and_the_rest_does_not(severity: str, receiver: str) -> None:
    labels = ["alertname=LoanNoModel", f"severity={severity}"]
    assert amtool("config", "routes", "test", f"--config.file={EXAMPLE}", *labels).strip() == receiver
