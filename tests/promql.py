"""What queries in PromQL name: metrics and labels, and Prometheus' own tool to judge them."""

import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest
from installation import ROOT
from prometheus_client import Counter, Gauge, Histogram

from loan_default import metrics

MONITORING = ROOT / "k8s" / "monitoring"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool comes with Debian's package prometheus")

# What Prometheus itself adds to every series, or knows without us.
ADDED_LABELS = frozenset({"job", "instance", "namespace", "le", "alertname", "alertstate", "severity"})
ITS_OWN = frozenset({"up", "ALERTS"})

_METRIC = re.compile(r"\b(loan[a-z_:][\w:]*|process_\w+|up|ALERTS)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_GROUPING = re.compile(r"\b(?:by|on|group_left|group_right|ignoring|without)\s*\(([^)]*)\)")
_SUFFIXES = ("_bucket", "_sum", "_count")


def promtool(*arguments: str | Path) -> str:
    """Run it; its failure fails the test."""
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def selectors(query: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics that a query names, each with the labels it is filtered by."""
    without_groups = _GROUPING.sub("", query)
    for found in _METRIC.finditer(without_groups):
        yield found[1], set(_MATCHER.findall(found[2] or ""))


def grouped(query: str) -> set[str]:
    """The labels that a query groups or joins by."""
    lists = _GROUPING.findall(query)
    return {label.strip() for names in lists for label in names.split(",") if label.strip()}


def unknown(query: str, exposed: Mapping[str, Collection[str]], recorded: Mapping[str, Collection[str]]) -> list[str]:
    """What a query names that there is not.

    Args:
        query: in PromQL.
        exposed: the labels of each metric, as a page of metrics has them.
        recorded: those of the recording rules.
    """
    there = {**exposed, **recorded}
    problems: list[str] = []
    known = set(ADDED_LABELS)
    for metric, filters in selectors(query):
        if metric in ITS_OWN:
            continue
        if metric not in there:
            problems.append(f"no metric {metric}")
            continue
        known |= set(there[metric])
        problems += [f"{metric} has no label {name}" for name in sorted(filters - set(there[metric]) - ADDED_LABELS)]
    return problems + [f"nothing here has a label {name}" for name in sorted(grouped(query) - known)]


def exposed_by(page: str) -> dict[str, set[str]]:
    """The labels of each metric on a page in Prometheus' text format."""
    found: dict[str, set[str]] = {}
    for line in page.splitlines():
        if line and not line.startswith("#"):
            name, _, labels = line.rpartition(" ")[0].partition("{")
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def declared() -> dict[str, Counter | Gauge | Histogram]:
    """The metrics of this project by their names as a page has them."""
    found = [one for one in vars(metrics).values() if isinstance(one, (Counter, Gauge, Histogram))]
    names = {next(iter(one.describe())).name + ("_total" if isinstance(one, Counter) else ""): one for one in found}
    assert len(names) > 25
    return names


def labels_of(metric: Counter | Gauge | Histogram) -> tuple[str, ...]:
    """The names of a metric's labels."""
    return tuple(metric._labelnames)  # noqa: SLF001  # prometheus-client tells them nowhere else


def base(name: str) -> str:
    """A metric's own name, of one of the series that a histogram becomes."""
    return next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)
