"""Every Prometheus metric: name, help and labels, and the page that shows them.

BentoML runs each worker as a process of its own and sets PROMETHEUS_MULTIPROC_DIR for them, so prometheus-client keeps
its values in files there and `render` adds them up: any worker answers for all. Labels take values from fixed sets
only; a stranger cannot create series.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

PREDICTIONS = Counter("loan_predictions_total", "Applicants scored online, by face (rest or native).", ["face"])
PREDICTION_SECONDS = Histogram(
    "loan_prediction_duration_seconds",
    "Time of a call of the model, which scores all rows that arrived together.",
    buckets=_SECONDS,
)
RESULTS = Counter("loan_prediction_result_total", "Applicants scored online, by risk band.", ["default_risk"])
UNKNOWN_CATEGORIES = Counter(
    "loan_unknown_categories_total",
    "Values that are no category the model knows, by column and by what became of them (refused or missing).",
    ["column", "outcome"],
)
MODEL_INFO = Gauge(
    "loan_model_info",
    "1 for the model that answers.",
    ["name", "version", "stage"],
    multiprocess_mode="mostrecent",
)
MODEL_READY = Gauge(
    "loan_model_ready",
    "1 while a model answers, 0 while there is none or the server stops, by stage, as a worker said last.",
    ["stage"],
    multiprocess_mode="mostrecent",
)
MODEL_TRAINED = Gauge(
    "loan_model_trained_timestamp_seconds",
    "When the model that answers was trained, Unix time, by stage.",
    ["stage"],
    multiprocess_mode="mostrecent",
)
MODEL_TAKEN_UP = Counter(
    "loan_model_taken_up_total",
    "Models that a worker took up, or refused to take up, while it ran, by outcome.",
    ["outcome"],
)
HTTP_REQUESTS = Counter(
    "loan_http_requests_total", "HTTP requests by method, route template and status.", ["method", "route", "status"]
)
HTTP_SECONDS = Histogram(
    "loan_http_request_duration_seconds",
    "Time to answer an HTTP request, by route template.",
    ["route"],
    buckets=_SECONDS,
)
KEY_REFUSALS = Counter(
    "loan_key_refusals_total",
    "Calls refused for their API key: missing, wrong, without the scope, or from a blocked address.",
    ["reason"],
)
RATE_LIMITED = Counter(
    "loan_rate_limited_total",
    "Calls over their key's rate limit, by reason: used_up, or too_many_at_once for the limit as a whole.",
    ["reason"],
)
RATE_LIMIT_FALLBACKS = Counter(
    "loan_rate_limit_fallbacks_total",
    "Calls that a process counted alone, in memory, because Redis did not answer.",
)
DECISIONS_WRITTEN = Counter(
    "loan_decision_log_written_total", "Decisions that were recorded, by store (files or postgres).", ["store"]
)
DECISIONS_DROPPED = Counter(
    "loan_decision_log_dropped_total",
    "Decisions that were answered and not recorded, by reason (size_limit, disk_full, unwritable, database, overrun, "
    "unrecordable or shutdown).",
    ["reason"],
)
DECISIONS_REFUSED = Counter(
    "loan_decision_log_refused_total", "Decisions that were not answered because they could not be recorded."
)
DECISION_WRITE_FAILURES = Counter(
    "loan_decision_log_write_failures_total", "Attempts to record decisions that failed, by reason.", ["reason"]
)
DECISION_WRITE_SECONDS = Histogram(
    "loan_decision_log_write_seconds", "Time to record a batch of decisions, by store.", ["store"], buckets=_SECONDS
)
DRIFT_SAMPLES = Counter(
    "loan_drift_samples_total",
    "Samples that the drift monitor took, of online predictions and of jobs that asked for it, by stage.",
    ["stage"],
)
DRIFT_DROPPED = Counter(
    "loan_drift_samples_dropped_total",
    "Samples that the drift monitor never got, by reason (overrun, unreachable or refused).",
    ["reason"],
)
# Labelled even where one label would do: an unlabelled gauge is exported as 0 by every process that knows it.
DRIFT_PSI = Gauge(
    "loan_model_drift_psi",
    "Population stability index of the window against the reference, by feature and for the PD.",
    ["feature"],
    multiprocess_mode="mostrecent",
)
DRIFT_DETECTED = Gauge(
    "loan_model_drift_detected",
    "1 while the applicants differ from the reference, 0 while they do not, by stage.",
    ["stage"],
    multiprocess_mode="mostrecent",
)
DRIFT_THRESHOLD = Gauge(
    "loan_drift_psi_threshold",
    "The population stability index from which a shift matters (DRIFT_PSI_THRESHOLD), by stage.",
    ["stage"],
    multiprocess_mode="mostrecent",
)
DRIFT_WINDOW = Gauge(
    "loan_drift_window_samples", "Samples in the window, by stage.", ["stage"], multiprocess_mode="mostrecent"
)
DRIFT_LAST_CHECK = Gauge(
    "loan_drift_last_check_timestamp_seconds",
    "When the drift monitor looked at its window last, Unix time, by stage.",
    ["stage"],
    multiprocess_mode="mostrecent",
)

JOBS_SUBMITTED = Counter("loan_jobs_submitted_total", "Bulk jobs that were accepted.")
JOBS_FINISHED = Counter(
    "loan_jobs_finished_total",
    "Bulk jobs that a worker ended, by outcome (success, failure or cancelled).",
    ["outcome"],
)
JOB_SECONDS = Histogram(
    "loan_job_duration_seconds",
    "Time from the acceptance of a bulk job to its success, waiting included.",
    buckets=(0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400),
)
JOB_ROWS = Counter(
    "loan_job_rows_total", "Rows of bulk jobs that were dealt with, by outcome (scored or rejected).", ["outcome"]
)
JOBS_OPEN = Gauge(
    "loan_jobs_open",
    "Bulk jobs that are not over, by state (waiting or running), as a worker saw them last.",
    ["state"],
    multiprocess_mode="mostrecent",
)
JOBS_OLDEST_WAITING = Gauge(
    "loan_jobs_oldest_waiting_seconds",
    "Age of the bulk job that waits longest, 0 without one, as a worker saw it last, by the order it is taken in.",
    ["queue"],
    multiprocess_mode="mostrecent",
)
JOBS_LAST_LOOK = Gauge(
    "loan_jobs_last_look_timestamp_seconds",
    "When a worker looked after the queue last, Unix time, by the order jobs are taken in.",
    ["queue"],
    multiprocess_mode="mostrecent",
)


def _known(counter: Counter, *values: str) -> None:
    """Show a counter's series as zeros from the start: one that came with its first event would show no increase."""
    for value in values:
        counter.labels(value)


_known(MODEL_TAKEN_UP, "taken", "refused")
_known(KEY_REFUSALS, "missing", "wrong", "scope", "blocked")
_known(RATE_LIMITED, "used_up", "too_many_at_once")
_known(DECISIONS_DROPPED, "size_limit", "disk_full", "unwritable", "database", "overrun", "unrecordable", "shutdown")
_known(DECISION_WRITE_FAILURES, "size_limit", "disk_full", "unwritable", "database")
_known(DRIFT_DROPPED, "overrun", "unreachable", "refused")
_known(JOBS_FINISHED, "success", "failure", "cancelled")
_known(JOB_ROWS, "scored", "rejected")


def shared_folder() -> Path | None:
    """The folder in which all workers of this server, and nobody else, keep their values; None with one process."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None


def method_label(method: str) -> str:
    """The method as a label: one of HTTP's own, or OTHER."""
    return method if method in _METHODS else "OTHER"


def count_unknown_category(column: str, outcome: str) -> None:
    """Count a value that is no category the model knows; the columns are the declared ones, so labels are bounded."""
    UNKNOWN_CATEGORIES.labels(column, outcome).inc()


def render() -> bytes:
    """The metrics of all workers in Prometheus' text format."""
    if shared_folder() is None:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus-client leaves it untyped
    registry.register(_Processes())
    return generate_latest(registry)


class _Processes(Collector):
    """CPU, memory and open files of each server process; prometheus-client leaves them out when there are several."""

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        cpu = CounterMetricFamily(
            "process_cpu_seconds", "User and system CPU time of a server process.", labels=["pid"]
        )
        memory = GaugeMetricFamily(
            "process_resident_memory_bytes", "Resident memory of a server process.", labels=["pid"]
        )
        files = GaugeMetricFamily("process_open_fds", "Open file descriptors of a server process.", labels=["pid"])
        start = GaugeMetricFamily("process_start_time_seconds", "Start of a server process, Unix time.", labels=["pid"])
        # Workers are siblings: the children of the process that `bentoml serve` started, which is one of ours too.
        supervisor = psutil.Process(os.getppid())
        for process in [supervisor, *supervisor.children(recursive=True)]:
            try:
                with process.oneshot():
                    times, label = process.cpu_times(), [str(process.pid)]
                    cpu.add_metric(label, times.user + times.system)
                    memory.add_metric(label, process.memory_info().rss)
                    files.add_metric(label, process.num_fds())
                    start.add_metric(label, process.create_time())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # it ended between being listed and being asked
        yield from (cpu, memory, files, start)
