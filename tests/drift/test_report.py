"""Drawing a report: Evidently's part comes along, late or not at all, and the page is there all the same."""

import asyncio
import html
import re
import sys

import pytest
from samples import batch, drawn

from drift.comparison import Comparison
from drift.monitor import Monitor
from drift.report import Reports, report_page
from loan_default.model import LoanModel
from loan_default.settings import Settings
from loan_default.training.data import Dataset

pytestmark = pytest.mark.slow  # importing Evidently takes seconds


@pytest.fixture
def comparison(monitor: Monitor, loan_model: LoanModel, dataset: Dataset) -> Comparison:
    monitor.take(batch(loan_model, drawn(dataset.applicants, 1_000, 1)), 1.0)
    monitor.check(2.0)
    return monitor.comparison()


def frame(page: str) -> str:
    found = re.search(r'srcdoc="([^"]*)"', page)
    return html.unescape(found[1]) if found else ""


def test_evidentlys_report_is_in_the_page_and_loads_nothing(comparison: Comparison) -> None:
    report = frame(report_page(comparison))
    assert "Drift in column" in report
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", report)


def test_who_does_not_wait_gets_the_page_without_it_and_later_with_it(comparison: Comparison) -> None:
    async def twice() -> tuple[str, str]:
        hurried, patient = Reports(patience_s=0.0), Reports(patience_s=60.0)
        first, second = await hurried.draw(comparison), await patient.draw(comparison)
        hurried.close()
        patient.close()
        return first, second

    first, second = asyncio.run(twice())
    assert "Ask for this page again" in first
    assert "At a glance" in first
    assert "Drift in column" in frame(second)


def test_without_evidently_the_page_is_there_and_says_where_it_is(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "drift.evidently_report", raising=False)
    for missing in ("evidently", "pandas"):  # as in the Bento, which has neither
        monkeypatch.setitem(sys.modules, missing, None)
    page = report_page(comparison)
    assert "Evidently is not installed here" in page
    assert "loan_default_drift" in page
    assert "At a glance" in page
    assert not frame(page)


def test_without_samples_there_is_a_page_without_it(settings: Settings) -> None:
    assert "No prediction was sampled yet" in report_page(Monitor(settings, 0.0).comparison())


def test_a_category_that_looks_like_markup_adds_no_script(comparison: Comparison) -> None:
    hostile = "</script><script>alert(1)</script>"
    labels = {name: [f"{each}{hostile}" for each in named] for name, named in comparison.labels.items()}
    plain, other = (
        frame(report_page(Comparison(comparison.verdict, comparison.window, comparison.reference, each)))
        for each in (comparison.labels, labels)
    )
    assert len(re.findall(r"</script>", other)) == len(re.findall(r"</script>", plain))
    assert r"\u2039script>alert(1)" in other
