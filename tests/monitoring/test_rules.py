"""Prometheus' alert rules, by Prometheus' own tests of rules; the metrics they name, and where they lead people."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from installation import ROOT
from promql import ITS_OWN, MONITORING, base, declared, needs_promtool, promtool, selectors

FILES = sorted(MONITORING.glob("*.rules.yaml"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])


def rules(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for path in FILES for rule in rules(path) if "alert" in rule}


def cases_of(path: Path) -> Path:
    return Path(__file__).with_name(path.name.replace(".rules.", ".rules.test."))


def headings(document: Path) -> set[str]:
    """The anchors that a document's headings become."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@needs_promtool
@each_file
def test_the_rules_are_rules(path: Path) -> None:
    assert "SUCCESS" in promtool("check", "rules", path)


@needs_promtool
@each_file
def test_each_alert_is_raised_when_it_should_be_and_not_otherwise(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", cases_of(path))


@each_file
def test_every_alert_has_a_test_in_which_it_is_raised_and_one_in_which_it_is_not(path: Path) -> None:
    cases = [
        case for test in yaml.safe_load(cases_of(path).read_text())["tests"] for case in test.get("alert_rule_test", [])
    ]
    for rule in rules(path):
        if "alert" in rule:
            raised = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == rule["alert"]}
            assert raised == {True, False}, rule["alert"]


def test_the_rules_name_metrics_that_there_are() -> None:
    recorded = {rule["record"] for path in FILES for rule in rules(path) if "record" in rule}
    there = {*declared(), *recorded, *ITS_OWN, "process_start_time_seconds"}
    named = {metric for path in FILES for rule in rules(path) for metric, _ in selectors(rule["expr"])}
    assert {metric for metric in named if metric not in there and base(metric) not in there} == set()
    assert len(named) > 30


def test_every_alert_says_what_it_is_how_bad_it_is_and_where_to_read_on() -> None:
    assert len(alerts()) >= 25
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert {"summary", "description", "runbook"} == set(rule["annotations"]), name
        document, _, heading = rule["annotations"]["runbook"].partition("#")
        assert heading in headings(ROOT / document), name


def test_no_two_alerts_share_a_name() -> None:
    names = [rule["alert"] for path in FILES for rule in rules(path) if "alert" in rule]
    assert len(names) == len(set(names))
