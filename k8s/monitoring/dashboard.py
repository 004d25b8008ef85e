"""Write the Grafana dashboard beside this file.

    python k8s/monitoring/dashboard.py

Grafana's own format repeats itself on two thousand lines; what differs from panel to panel stands here. The data source
and the namespace are variables of the dashboard, so it works wherever it is imported. tests/monitoring compares every
query with the metrics that a served process really exposes, and the written file with this script.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
_WIDTH, _HEIGHT, _ROW_HEIGHT = 24, 8, 1
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_PREDICT = 'method="POST", route=~"/api/v1/predict|/predict"'


class Query(NamedTuple):
    """A query, and how its series are called in the legend. `$` stands for the filter of the namespace."""

    text: str
    legend: str = ""


class Panel(NamedTuple):
    """One panel.

    Attributes:
        unit: Grafana's name of it.
        kind: Grafana's name of the drawing.
        width: of 24 columns.
        note: what its reader should know.
        limit: where it turns red; None where nothing is too much.
        falls: whether too little is too much.
    """

    title: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    note: str = ""
    limit: float | None = None
    falls: bool = False


def quantiles(metric: str, labels: str, by: str = "") -> list[Query]:
    """The median, and what 95 and 99 of 100 stay below."""
    groups = f"le, {by}" if by else "le"
    name = f"{{{{{by}}}}} " if by else ""
    return [
        Query(
            f"histogram_quantile({q}, sum by ({groups}) (rate({metric}_bucket{{{labels}$}}[$__rate_interval])))",
            f"{name}p{100 * q:g}",
        )
        for q in (0.5, 0.95, 0.99)
    ]


def share_of_30_days(bad: str, of: str) -> str:
    """The share of calls within the objective, over the objective's own 30 days."""
    return f"1 - (sum(increase({bad}[30d])) or vector(0)) / (sum(increase({of}[30d])) > 0)"


# Only processes of this project: others have metrics of the same names.
_OURS = " and on (job, instance) loan_jobs_submitted_total{$}"
_ERRORS = f'loan_http_requests_total{{{_PREDICT}, status=~"5..", $}}'
_CALLS = f"loan_http_requests_total{{{_PREDICT}, $}}"
_FAST = 'loan_http_request_duration_seconds_bucket{route="/api/v1/predict", le="0.025", $}'
_ALL = 'loan_http_request_duration_seconds_count{route="/api/v1/predict", $}'

ROWS: dict[str, list[Panel]] = {
    "Service objectives": [
        Panel(
            "Predict calls without an error, 30 days",
            [Query(share_of_30_days(_ERRORS, _CALLS))],
            "percentunit",
            "stat",
            4,
            "Objective: 99.9 % are not answered with a 5xx.",
            0.999,
            falls=True,
        ),
        Panel(
            "Answers within 25 ms, 30 days",
            [Query(f"sum(increase({_FAST}[30d])) / (sum(increase({_ALL}[30d])) > 0)")],
            "percentunit",
            "stat",
            4,
            "Objective: 99 % of the calls for one applicant.",
            0.99,
            falls=True,
        ),
        Panel(
            "How fast the budget of errors burns",
            [Query(f"loan:predict_errors:ratio_rate{w}{{$}} / 0.001", w) for w in ("1h", "6h", "3d")],
            note="1 uses it up in exactly 30 days; 14.4 over an hour wakes somebody.",
            limit=14.4,
        ),
        Panel(
            "How fast the budget of slow answers burns",
            [Query(f"loan:predict_slow:ratio_rate{w}{{$}} / 0.01", w) for w in ("1h", "6h", "3d")],
            note="As on the left.",
            limit=14.4,
        ),
        Panel(
            "Alerts that are raised",
            [Query('ALERTS{alertname=~"Loan.*", alertstate="firing", $}', "{{severity}}: {{alertname}}")],
            kind="table",
            width=24,
            note="docs/observability.md has a section for each.",
        ),
    ],
    "Traffic": [
        Panel(
            "Calls a second, by route",
            [Query("sum by (route) (rate(loan_http_requests_total{$}[$__rate_interval]))", "{{route}}")],
            "reqps",
        ),
        Panel(
            "Calls a second, by status",
            [Query("sum by (status) (rate(loan_http_requests_total{$}[$__rate_interval]))", "{{status}}")],
            "reqps",
            note="499: the caller hung up.",
        ),
        Panel(
            "Applicants scored a second, by face",
            [Query("sum by (face) (rate(loan_predictions_total{$}[$__rate_interval]))", "{{face}}")],
        ),
    ],
    "Latency": [
        Panel(
            "One applicant: POST /api/v1/predict",
            quantiles("loan_http_request_duration_seconds", 'route="/api/v1/predict", '),
            "s",
            limit=0.025,
        ),
        Panel(
            "Lists: POST /predict",
            quantiles("loan_http_request_duration_seconds", 'route="/predict", '),
            "s",
            note="Of 1 to 1,000 applicants.",
        ),
        Panel(
            "A call of the model",
            quantiles("loan_prediction_duration_seconds", ""),
            "s",
            note="All rows that arrived together.",
        ),
    ],
    "Decisions": [
        Panel(
            "Applicants by risk band, share",
            [
                Query(
                    "sum by (default_risk) (rate(loan_prediction_result_total{$}[$__rate_interval]))"
                    " / on () group_left () (sum(rate(loan_prediction_result_total{$}[$__rate_interval])) > 0)",
                    "{{default_risk}}",
                )
            ],
            "percentunit",
            width=12,
            note="High is declined.",
        ),
        Panel(
            "Values that are no known category, an hour",
            [
                Query(
                    "sum by (column, outcome) (increase(loan_unknown_categories_total{$}[1h]))",
                    "{{column}} {{outcome}}",
                )
            ],
            width=12,
            note="Empty where no column has categories.",
        ),
    ],
    "Model": [
        Panel(
            "Servers with a model", [Query("sum by (stage) (loan_model_ready{$})", "{{stage}}")], kind="stat", width=4
        ),
        Panel(
            "Age of the model",
            [Query("time() - max by (stage) (loan_model_trained_timestamp_seconds{$})", "{{stage}}")],
            "s",
            "stat",
            4,
            limit=180 * 86400,
        ),
        Panel(
            "Servers by version",
            [Query("sum by (stage, version) (loan_model_info{$})", "{{stage}} version {{version}}")],
            note="Two versions for longer than a rollout takes: some servers lag behind.",
        ),
        Panel(
            "Models taken up and refused",
            [Query("sum by (outcome) (increase(loan_model_taken_up_total{$}[$__rate_interval]))", "{{outcome}}")],
            note="Of each worker.",
        ),
    ],
    "Drift": [
        Panel(
            "PSI of each feature and of the PD",
            [
                Query("max by (feature) (loan_model_drift_psi{$})", "{{feature}}"),
                Query("max(loan_drift_psi_threshold{$})", "threshold"),
            ],
            width=12,
            note="An alarm needs more than the threshold and more than chance explains: GET /api/v1/drift.",
        ),
        Panel(
            "The applicants have changed",
            [Query("max by (stage) (loan_model_drift_detected{$})", "{{stage}}")],
            kind="stat",
            width=4,
            limit=1,
        ),
        Panel(
            "Since the last look",
            [Query("time() - max by (stage) (loan_drift_last_check_timestamp_seconds{$})", "{{stage}}")],
            "s",
            "stat",
            4,
            limit=900,
        ),
        Panel(
            "Samples in the window",
            [Query("max by (stage) (loan_drift_window_samples{$})", "{{stage}}")],
            kind="stat",
            width=4,
        ),
        Panel(
            "Samples a second",
            [
                Query("sum(rate(loan_drift_samples_total{$}[$__rate_interval]))", "taken"),
                Query(
                    "sum by (reason) (rate(loan_drift_samples_dropped_total{$}[$__rate_interval]))",
                    "dropped: {{reason}}",
                ),
            ],
            width=24,
        ),
    ],
    "Bulk jobs": [
        Panel("Jobs that wait and run", [Query("max by (state) (loan_jobs_open{$})", "{{state}}")]),
        Panel(
            "The longest wait",
            [Query("max(loan_jobs_oldest_waiting_seconds{$})", "oldest")],
            "s",
            limit=3600,
        ),
        Panel(
            "Rows a second", [Query("sum by (outcome) (rate(loan_job_rows_total{$}[$__rate_interval]))", "{{outcome}}")]
        ),
        Panel(
            "Jobs an hour",
            [
                Query("sum(increase(loan_jobs_submitted_total{$}[1h]))", "accepted"),
                Query("sum by (outcome) (increase(loan_jobs_finished_total{$}[1h]))", "{{outcome}}"),
            ],
        ),
        Panel("From acceptance to success", quantiles("loan_job_duration_seconds", ""), "s"),
        Panel(
            "Since a worker looked after the queue",
            [Query("time() - max by (queue) (loan_jobs_last_look_timestamp_seconds{$})", "{{queue}}")],
            "s",
            limit=300,
        ),
    ],
    "Limits and keys": [
        Panel(
            "Calls over their key's limit, a second",
            [Query("sum by (reason) (rate(loan_rate_limited_total{$}[$__rate_interval]))", "{{reason}}")],
            "reqps",
        ),
        Panel(
            "Calls refused for their key, a second",
            [Query("sum by (reason) (rate(loan_key_refusals_total{$}[$__rate_interval]))", "{{reason}}")],
            "reqps",
        ),
        Panel(
            "Calls counted without Redis, a second",
            [Query("sum(rate(loan_rate_limit_fallbacks_total{$}[$__rate_interval]))", "counted alone")],
            "reqps",
        ),
    ],
    "Decision log": [
        Panel(
            "Decisions recorded a second",
            [Query("sum by (store) (rate(loan_decision_log_written_total{$}[$__rate_interval]))", "{{store}}")],
        ),
        Panel(
            "Decisions without a record, an hour",
            [
                Query("sum by (reason) (increase(loan_decision_log_dropped_total{$}[1h]))", "dropped: {{reason}}"),
                Query("sum(increase(loan_decision_log_refused_total{$}[1h]))", "not answered"),
                Query(
                    "sum by (reason) (increase(loan_decision_log_write_failures_total{$}[1h]))", "attempts: {{reason}}"
                ),
            ],
            limit=1,
        ),
        Panel("Time to record a batch", quantiles("loan_decision_log_write_seconds", "", "store"), "s"),
    ],
    "Processes": [
        Panel(
            "CPU cores",
            [
                Query(
                    "sum by (job, instance, pid) (rate(process_cpu_seconds_total{$}[$__rate_interval]))" + _OURS,
                    "{{instance}} {{pid}}",
                )
            ],
        ),
        Panel("Memory", [Query("process_resident_memory_bytes{$}" + _OURS, "{{instance}} {{pid}}")], "bytes"),
        Panel("Open files", [Query("process_open_fds{$}" + _OURS, "{{instance}} {{pid}}")]),
        Panel(
            "Since the start of each process",
            [Query("time() - (process_start_time_seconds{$}" + _OURS + ")", "{{instance}} {{pid}}")],
            "s",
            width=24,
            note="A process that is younger than its server took the place of one that died.",
        ),
    ],
}


def dashboard() -> dict[str, Any]:
    """The whole dashboard, as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        place = {"x": 0, "y": y, "w": _WIDTH, "h": _ROW_HEIGHT}
        panels.append({"type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []})
        x, y = 0, y + _ROW_HEIGHT
        for panel in row:
            if x + panel.width > _WIDTH:
                x, y = 0, y + _HEIGHT
            panels.append(_panel(panel, x, y))
            x += panel.width
        y += _HEIGHT
    for number, written in enumerate(panels, start=1):
        written["id"] = number
    return {
        "title": "Loan default",
        "uid": "loan-default",
        "description": "Written by k8s/monitoring/dashboard.py. docs/observability.md explains metrics and alerts.",
        "tags": ["loan-default"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "templating": {"list": _variables()},
        "panels": panels,
    }


def _variables() -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1},
        {
            "name": "namespace",
            "label": "Namespace",
            "type": "query",
            "datasource": _DATASOURCE,
            "query": {"query": "label_values(loan_model_ready, namespace)", "refId": "namespace"},
            "refresh": 2,
            "includeAll": True,
            "allValue": ".*",  # no namespace at all included, as outside of Kubernetes
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def _panel(panel: Panel, x: int, y: int) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0} if not panel.falls else {"unit": panel.unit}
    if panel.limit is not None:
        before, after = ("red", "green") if panel.falls else ("green", "red")
        steps = [{"color": before, "value": None}, {"color": after, "value": panel.limit}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        if panel.kind == "timeseries":
            defaults["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.note,
        "datasource": _DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": _HEIGHT},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {},
        "targets": [_target(query, panel, number) for number, query in enumerate(panel.queries)],
    }


def _target(query: Query, panel: Panel, number: int) -> dict[str, Any]:
    at_once = panel.kind in {"stat", "table"}
    text = query.text.replace("$__", "\0").replace("$", 'namespace=~"$namespace"').replace("\0", "$__")
    return {
        "refId": chr(ord("A") + number),
        "datasource": _DATASOURCE,
        "expr": text,
        "legendFormat": query.legend or "__auto",
        "instant": at_once,
        "range": not at_once,
        "format": "table" if panel.kind == "table" else "time_series",
    }


if __name__ == "__main__":
    text = json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"
    (HERE / "dashboard.json").write_text(text, encoding="utf-8")
