"""The page for people: the verdict first, every figure behind it, nothing loaded, nothing taken for markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from samples import batch, drawn, introduction, richer

from drift.comparison import Comparison
from drift.monitor import Monitor
from drift.page import page
from loan_default.model import LoanModel
from loan_default.settings import Settings
from loan_default.training.data import Dataset

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
VOID = {"meta"}


class Tags(HTMLParser):
    """Every tag, in order; what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def words(text: str) -> str:
    """The text of a page, as it is read."""
    text = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


@pytest.fixture
def watched(monitor: Monitor, loan_model: LoanModel, dataset: Dataset) -> Monitor:
    """A monitor that saw quiet, then richer applicants."""
    for turn in range(12):
        rows = drawn(dataset.applicants, 250, seed=turn)
        monitor.take(batch(loan_model, richer(rows) if turn >= 6 else rows), 60.0 * turn)
        monitor.check(60.0 * turn + 1)
    return monitor


@pytest.fixture
def comparison(watched: Monitor) -> Comparison:
    return watched.comparison()


def test_the_verdict_comes_first_with_what_has_drifted_and_since_when(comparison: Comparison) -> None:
    told = words(page(comparison, None))
    assert told.index("The applicants have changed") < told.index("At a glance")
    said = told[: told.index("At a glance")]
    assert "bank_balance" in said
    assert "employed" not in said
    assert "since 1 Jan 1970, 00:0" in said


def test_every_column_has_its_figures_and_the_worst_is_first(comparison: Comparison) -> None:
    told = words(page(comparison, None))
    for name, column in comparison.verdict.columns.items():
        assert f"{name} " in told
        assert f"{column.psi:.3f}" in told
        assert f"{column.critical:.3f}" in told
    rows = re.findall(r'<th scope="row"><a href="#column-\d+">(.*?)</a>', page(comparison, None))
    order = sorted(comparison.verdict.columns.items(), key=lambda item: (not item[1].drifted, -item[1].psi))
    assert rows[0] == order[0][0]
    assert set(rows) == set(comparison.verdict.columns)


def test_each_picture_has_words_for_those_who_do_not_see_it_and_a_table(comparison: Comparison) -> None:
    tags = Tags(page(comparison, None)).tags
    pictures = [attributes for tag, attributes in tags if tag == "svg"]
    assert len(pictures) == 2 * len(comparison.verdict.columns)
    assert all(each["role"] == "img" and each["aria-label"] for each in pictures)
    assert sum(tag == "details" for tag, _ in tags) == len(comparison.verdict.columns)


def test_it_loads_nothing(comparison: Comparison) -> None:
    text = page(comparison, None)
    assert "//" not in re.sub(r"<!--.*?-->", "", text)
    assert not re.search(r"<(script|link|img|object|embed)|url\(|@import", text)
    for _, attributes in Tags(text).tags:
        assert not {"src", "onerror", "onload", "onclick"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")


def test_it_is_made_for_a_telephone_too(comparison: Comparison) -> None:
    text = page(comparison, None)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "@media (max-width: 40rem)" in text


def test_names_from_data_are_never_markup(comparison: Comparison) -> None:
    name = next(iter(comparison.verdict.columns))
    columns = {HOSTILE: comparison.verdict.columns[name]}
    hostile = Comparison(
        verdict=comparison.verdict.model_copy(update={"columns": columns, "model_version": HOSTILE}),
        window={HOSTILE: np.array([5, 5])},
        reference={HOSTILE: np.array([5, 5])},
        labels={HOSTILE: [HOSTILE, "b"]},
        portfolio=HOSTILE,
    )
    tags = Tags(page(hostile, None)).tags
    assert not {tag for tag, _ in tags} & {"script", "img"}
    assert all(attributes.get("onerror") is None for _, attributes in tags)
    assert any(HOSTILE in (attributes.get("aria-label") or "") for _, attributes in tags)


def test_evidentlys_report_stands_in_a_frame_that_may_do_nothing_else(comparison: Comparison) -> None:
    report = '<script>draw("x")</script><p title="y">z & \'w\'</p>'
    tags = Tags(page(comparison, report)).tags
    [frame] = [attributes for tag, attributes in tags if tag == "iframe"]
    assert frame["srcdoc"] == report
    assert frame["sandbox"] == "allow-scripts"
    assert "script" not in {tag for tag, _ in tags}


def test_why_evidentlys_report_is_not_there_is_said(comparison: Comparison) -> None:
    assert "Not today." in words(page(comparison, None, "Not today."))


def test_before_the_first_samples_it_says_what_it_waits_for(settings: Settings, loan_model: LoanModel) -> None:
    monitor = Monitor(settings, 0.0)
    assert "No prediction was sampled yet" in words(page(monitor.comparison(), None))
    monitor.introduce(introduction(loan_model), 0.0)
    assert "There are 0; there must be 200" in words(page(monitor.comparison(), None))
    monitor.close()


def test_quiet_applicants_are_said_to_be_quiet(monitor: Monitor, loan_model: LoanModel, dataset: Dataset) -> None:
    monitor.take(batch(loan_model, drawn(dataset.applicants, 1_000, 1)), 1.0)
    monitor.check(2.0)
    told = words(page(monitor.comparison(), None))
    assert "No drift" in told
    assert "drifted" not in told.replace("has drifted", "").replace("have drifted", "")


def test_a_column_that_is_over_its_limit_without_an_alarm_is_said_to_be_in_doubt(comparison: Comparison) -> None:
    name, column = next(iter(comparison.verdict.columns.items()))
    doubtful = column.model_copy(update={"over": True, "drifted": False, "since": None})
    verdict = comparison.verdict.model_copy(update={"columns": {name: doubtful}})
    assert "over the limit, to be confirmed" in words(page(replace(comparison, verdict=verdict), None))
