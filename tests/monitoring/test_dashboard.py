"""Grafana's dashboard: that it is one, that its queries are queries, and that no panel lies on another."""

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from promql import MONITORING, base, declared, needs_promtool, promtool, selectors

DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
DRAWN = [panel for panel in PANELS if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in DRAWN for target in panel["targets"]]


def test_the_file_is_what_the_script_writes(tmp_path: Path) -> None:
    script = tmp_path / "dashboard.py"
    script.write_text((MONITORING / "dashboard.py").read_text())
    subprocess.run([sys.executable, script], check=True)
    written = (tmp_path / "dashboard.json").read_text()
    assert written == (MONITORING / "dashboard.json").read_text(), "run python k8s/monitoring/dashboard.py"


@needs_promtool
def test_prometheus_can_read_each_query(tmp_path: Path) -> None:
    recorded = [
        {"record": f"panel:{number}", "expr": as_prometheus_gets_it(query)} for number, query in enumerate(QUERIES)
    ]
    rules = tmp_path / "panels.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    assert f"{len(QUERIES)} rules found" in promtool("check", "rules", rules)
    assert len(QUERIES) > 40


def as_prometheus_gets_it(query: str) -> str:
    return query.replace("$__rate_interval", "5m").replace("$namespace", ".*")


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    shown = {base(metric) for query in QUERIES for metric, _ in selectors(query)}
    assert set(declared()) - shown == set()


def test_panels_have_ids_of_their_own() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)


def test_no_panel_lies_on_another_or_beside_the_page() -> None:
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_the_data_source_is_a_variable_everywhere() -> None:
    assert DASHBOARD["schemaVersion"] >= 36
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for panel in DRAWN:
        for source in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
            assert source == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("panel", DRAWN, ids=lambda panel: panel["title"])
def test_each_query_of_a_panel_keeps_to_the_namespace_and_names_its_series(panel: dict[str, Any]) -> None:
    assert [target["refId"] for target in panel["targets"]] == [chr(65 + n) for n in range(len(panel["targets"]))]
    for target in panel["targets"]:
        for _, filters in selectors(target["expr"]):
            assert "namespace" in filters
        assert len(panel["targets"]) == 1 or target["legendFormat"] != "__auto"
