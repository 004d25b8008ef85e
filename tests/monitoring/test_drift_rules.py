"""Prometheus' alert rules on drift, by Prometheus' own tests of rules, and the metrics that they name."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from installation import ROOT
from prometheus_client import Counter, Gauge, Histogram

from loan_default import metrics

RULES = ROOT / "k8s" / "monitoring" / "drift.rules.yaml"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool comes with Debian's package prometheus")


def promtool(*arguments: str | Path) -> str:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_the_rules_are_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", RULES)


@needs_promtool
def test_each_alert_is_raised_when_it_should_be_and_not_otherwise() -> None:
    assert "SUCCESS" in promtool("test", "rules", Path(__file__).with_name("drift.rules.test.yaml"))


def test_the_rules_name_metrics_that_there_are() -> None:
    named = set(re.findall(r"\bloan_[a-z_]+", RULES.read_text()))
    there = {
        next(iter(metric.describe())).name
        for metric in vars(metrics).values()
        if isinstance(metric, (Counter, Gauge, Histogram))
    }
    assert {name.removesuffix("_total") for name in named} <= there
    assert len(named) >= 5


def test_every_alert_has_its_test() -> None:
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    tested = Path(__file__).with_name("drift.rules.test.yaml").read_text()
    assert {name for name in alerts if tested.count(f"alertname: {name}") >= 2} == alerts
