"""The model card: everything it was given, escaped, in Markdown and in one HTML page that loads nothing."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from loan_default.decision import Calibration, Decision, RecallFloor
from loan_default.schema import Schema
from loan_default.training.card import LABELS, Card, Rendered, render
from loan_default.training.gates import DEFAULT_GATES, check_gates
from loan_default.training.population import Choices, Numbers, Population
from loan_default.training.slices import Slice

FIGURES = {name: 0.5 + i / 1000 + 0.00004 for i, name in enumerate(LABELS)}
HOSTILE = "<script>alert('x')</script> | a\nb `c` [d](e) & \"f\""
VOID = {"meta", "img", "br", "hr", "link"}


@pytest.fixture
def card(schema: Schema) -> Card:
    """A card with nothing optional."""
    intervals = {name: (value - 0.1, value + 0.1) for name, value in FIGURES.items()}
    return Card(
        name="loan_default_model",
        version=None,
        run_id="0123456789abcdef",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        model_type="XGBoost",
        package_version="9.8.7",
        git_commit=None,
        libraries={"numpy": "2.3.4"},
        lock_sha256=None,
        seed=42,
        options={"trees": 300, "smote_ratio": 0.25},
        trials=0,
        data_file="loans.csv",
        data_sha256="d" * 64,
        rows=12_345,
        defaults=678,
        holdout_rows=2_469,
        holdout_defaults=136,
        schema=schema,
        decision=Decision.at(0.125, Calibration(slope=0.75, intercept=-1.5), RecallFloor(recall_floor=0.77)),
        policy="the highest threshold that catches 77 % of the defaults",
        population=Population(
            {"bank_balance": Numbers(0.125, [0, 1234.5, 5000, 12345.6, 0.0123456])},
            {"home": Choices(0.5, [("owner", 0.75), ("rent", 0.25)])},
        ),
        out_of_fold=FIGURES,
        by_fold={name: (value - 0.05, value + 0.05) for name, value in FIGURES.items()},
        baseline={name: value + 0.02 for name, value in FIGURES.items()},
        without_smote=None,
        holdout={name: value + 0.01 for name, value in FIGURES.items()},
        holdout_intervals=intervals,
        gates=check_gates(DEFAULT_GATES, FIGURES, intervals),
        slices=[],
        warnings=[],
        pictures={},
        history=[],
    )


@pytest.fixture
def full(card: Card, credit_schema: Schema) -> Card:
    """The same with everything that is optional."""
    return replace(
        card,
        version="7",
        git_commit="c0ffee",
        lock_sha256="e" * 64,
        schema=credit_schema,
        without_smote={name: value - 0.03 for name, value in FIGURES.items()},
        slices=[Slice("age", "under 25", 1_400, 350, 0.2512, 0.5012), Slice("age", "25 and over", 90, 4, 0.05, 0.1)],
        warnings=["'Home' is missing in 6 rows only"],
        pictures={"roc.png": b"\x89PNG roc", "slices.png": b"\x89PNG slices"},
        history=["2026-01-02: version 7 promoted"],
    )


class Page(HTMLParser):
    """Collects what a page says and loads, and sees that every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def both(card: Card) -> list[str]:
    """Both forms as a reader sees them."""
    rendered = render(card)
    return [rendered.markdown, Page(rendered.html).text]


def require_whole_tables(markdown: str) -> None:
    """Each row of a table has as many cells as its heading."""
    lines = markdown.splitlines()
    starts = [i for i, line in enumerate(lines) if re.fullmatch(r"\|(-+:?\|)+", line)]
    assert starts
    for start in starts:
        row = start - 1
        while row < len(lines) and lines[row].startswith("|"):
            assert lines[row].endswith(" |") or row == start
            assert len(re.findall(r"(?<!\\)\|", lines[row])) == lines[start].count("|"), lines[row]
            row += 1
        assert row > start + 1


def test_the_same_card_is_written_the_same(full: Card) -> None:
    assert render(full) == render(full)
    assert isinstance(render(full), Rendered)


def test_every_figure_is_there_with_four_digits(full: Card) -> None:
    for text in both(full):
        for name, label in LABELS.items():
            assert label in text
            assert full.without_smote is not None
            for figures in (full.out_of_fold, full.holdout, full.baseline, full.without_smote):
                assert f"{figures[name]:.4f}" in text
            low, high = full.holdout_intervals[name]
            assert f"{low:.4f} – {high:.4f}" in text


def test_every_row_of_figures_stands_in_the_order_of_its_heading(full: Card) -> None:
    markdown = render(full).markdown
    heading = "| figure | out of fold | by fold | hold-out | 95 % interval | logistic regression | without SMOTE |"
    assert heading in markdown
    assert "| ROC-AUC | 0.5000 | 0.4500 – 0.5500 | 0.5100 | 0.4000 – 0.6000 | 0.5200 | 0.4700 |" in markdown


def test_every_column_is_there_with_unit_limits_direction_and_reason(full: Card) -> None:
    for text in both(full):
        plain = text.replace("&gt;", ">").replace("&#39;", "'")
        for column in full.schema.columns:
            for said in (column.name, column.header, column.description, column.allowed, column.risk_reason):
                assert said in plain
        for feature in full.schema.derived:
            assert feature.name in plain
            assert feature.description in plain
        for audited in full.schema.audit:
            assert audited.description in plain
        assert "income − expenses" in plain
        assert "months" in plain
        assert "More never lowers the PD." in plain


def test_every_gate_is_there_with_its_verdict(full: Card) -> None:
    markdown = render(full).markdown
    for gate in full.gates:
        verdict = "passed" if gate.passed else "FAILED"
        row = f"| {gate.stage} | {LABELS[gate.figure]} | {gate.side} {gate.limit:g} | {gate.out_of_fold:.4f} |"
        assert any(line.startswith(row) and line.endswith(f"| {verdict} |") for line in markdown.splitlines())
    assert "gates for production: gates FAILED" in markdown


def test_every_slice_is_there(full: Card) -> None:
    markdown = render(full).markdown
    assert "| age | under 25 | 1,400 | 350 | 25.0 % | 22.8 % – 27.3 % | 25.1 % | 50.1 % | 1.00 |" in markdown
    assert "| age | 25 and over | 90 | 4 | 4.4 % | 1.7 % – 10.9 % | 5.0 % | 10.0 % | 1.80 |" in markdown
    assert "age: 25 and over (4)" in markdown  # few defaults: named among the limits


def test_lineage_options_warnings_and_history_are_there(full: Card) -> None:
    for text in both(full):
        for said in (
            "9.8.7",
            "c0ffee",
            "d" * 64,
            "e" * 64,
            "2.3.4",
            "0123456789abcdef",
            "trees",
            "300",
            "12,345",
            "678",
        ):
            assert said in text
        assert "'Home' is missing in 6 rows only." in text
        assert "2026-01-02: version 7 promoted" in text
        assert "loan-default reproduce 0123456789abcdef --data loans.csv" in text
        assert "5.49 %" in text


def test_the_decision_rule_is_stated(card: Card) -> None:
    for text in both(card):
        for said in ("≥ 0.1250", "≥ 0.0625 and below 0.1250", "below 0.0625", "0.7500", "-1.5000", card.policy):
            assert said in text


def test_where_logistic_regression_is_better_the_card_says_so(card: Card) -> None:
    (said,) = [
        line for line in render(card).markdown.splitlines() if line.startswith("- Logistic regression is better")
    ]
    assert "ROC-AUC (0.5200 against 0.5000)" in said
    assert "Brier" not in said


def test_where_logistic_regression_is_worse_nothing_is_said(card: Card) -> None:
    assert "is better than" not in render(replace(card, baseline=card.out_of_fold)).markdown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"smote_ratio": 0.25}, "SMOTE adds synthetic defaults"),
        ({"smote_ratio": 0}, "SMOTE is switched off"),
        ({"smote_ratio": 0.01}, "SMOTE had nothing to add"),
    ],
)
def test_the_card_says_what_smote_did(card: Card, options: dict[str, object], said: str) -> None:
    for text in both(replace(card, options=options)):
        assert said in text


def test_without_optional_parts_nothing_is_empty(card: Card) -> None:
    rendered = render(card)
    for text in both(card):
        assert "None" not in text
        for gone in ("Groups\n", "Change history", "checks of the data", "git commit", "lock file", "without SMOTE |"):
            assert gone not in text
    lines = [line for line in rendered.markdown.splitlines() if line]
    for line, following in pairwise([*lines, "## the end"]):  # a section has text, or a part of it comes first
        assert not line.startswith("##") or not following.startswith("#") or following.startswith("#" + line.split()[0])
    assert not re.search(r"<(ul|dl|tbody|p)>\s*</", rendered.html)
    assert "<img" not in rendered.html


def test_no_gates_are_a_limit_and_no_section(card: Card) -> None:
    markdown = render(replace(card, gates=[])).markdown
    assert "## Gates" not in markdown
    assert "No gates were declared" in markdown


def test_hostile_names_are_escaped_and_leave_tables_whole(full: Card) -> None:
    schema = full.schema.model_copy(
        update={"columns": tuple(c.model_copy(update={"header": HOSTILE}) for c in full.schema.columns)}
    )
    hostile = replace(
        full,
        name=HOSTILE,
        data_file=HOSTILE,
        schema=schema,
        options={HOSTILE: HOSTILE},
        libraries={HOSTILE: HOSTILE},
        warnings=[HOSTILE],
        history=[HOSTILE],
        policy=HOSTILE,
        slices=[Slice(HOSTILE, HOSTILE, 10, 1, 0.1, 0.1)],
    )
    rendered = render(hostile)
    require_whole_tables(rendered.markdown)
    outside_code = re.sub(r"```bash\n.*\n```", "", rendered.markdown)
    assert "<script" not in outside_code
    assert "[d](e)" not in outside_code
    page = Page(rendered.html)
    assert "script" not in page.tags
    assert not page.open
    assert HOSTILE in page.text


def test_tables_are_whole(card: Card, full: Card) -> None:
    require_whole_tables(render(card).markdown)
    require_whole_tables(render(full).markdown)


def test_the_page_is_one_file_that_loads_nothing(full: Card) -> None:
    html = render(full).html
    page = Page(html)
    assert html.startswith("<!doctype html>")
    assert not page.open
    assert len(page.loaded) == 2
    assert all(loaded.startswith("data:image/png;base64,") for loaded in page.loaded)
    assert not {"link", "script", "iframe", "base"} & set(page.tags)
    assert "url(" not in html
    assert "@import" not in html
    assert "viewport" in html


def test_markdown_points_at_the_pictures_beside_it(full: Card) -> None:
    markdown = render(full).markdown
    assert re.findall(r"!\[[^\]]+\]\(([^)]+)\)", markdown) == ["roc.png", "slices.png"]


def test_every_picture_of_a_training_has_its_place(card: Card) -> None:
    names = ("confusion_matrix", "roc", "precision_recall", "reliability", "score_distribution", "threshold")
    every = [f"{name}.png" for name in (*names, "importance", "contributions", "slices")]
    pictures = dict.fromkeys(every, b"png")
    slices = [Slice("age", "under 25", 10, 1, 0.1, 0.1)]
    shown = re.findall(r"\]\((\w+\.png)\)", render(replace(card, pictures=pictures, slices=slices)).markdown)
    assert sorted(shown) == sorted(every)


def test_the_spread_of_the_training_rows_is_there(card: Card) -> None:
    markdown = render(card).markdown
    assert "| name | missing | 1 % | 25 % | 50 % | 75 % | 99 % |" in markdown
    assert "| bank_balance | 12.5 % | 0 | 1,234 | 5,000 | 12,346 | 0.01235 |" in markdown
    assert "| home | 50.0 % | owner 75.0 %, rent 25.0 % |" in markdown


def test_the_version_of_the_declaration_is_there(card: Card) -> None:
    for text in both(card):
        assert card.schema.sha256 in text


@pytest.mark.parametrize(
    ("segments", "audited", "said"),
    [
        (["home"], [], "The model learns from the columns they are cut by (home)."),
        (
            [],
            ["age", "marital_status"],
            "The model never sees the audit columns they are cut by (age, marital_status).",
        ),
        (["home"], ["age", "marital_status"], "cut by (age, marital_status); it learns from home."),
    ],
)
def test_the_card_says_whether_the_model_sees_what_groups_are_cut_by(
    full: Card, segments: list[str], audited: list[str], said: str
) -> None:
    audit = tuple(column for column in full.schema.audit if column.name in audited)
    slices = [Slice(name, "a", 100, 40, 0.2, 0.5) for name in segments + audited]
    shown = render(replace(full, schema=full.schema.model_copy(update={"audit": audit}), slices=slices)).markdown
    assert said in shown


def test_a_group_that_is_approved_too_seldom_is_a_limit(card: Card) -> None:
    groups = {"many": (900, 0.1), "few": (100, 0.3), "fair": (100, 0.27), "one": (1, 1.0)}
    slices = [Slice("town", name, rows, 1, 0.2, declined) for name, (rows, declined) in groups.items()]
    (said,) = [line for line in render(replace(card, slices=slices)).markdown.splitlines() if "four fifths as" in line]
    assert said.endswith("which the lender has to be able to justify: town: few (0.78).")


def test_nobody_approved_has_no_ratio(card: Card) -> None:
    slices = [Slice("town", name, 100, 40, 0.9, 1.0) for name in ("a", "b")]
    assert render(replace(card, slices=slices)).markdown.count("| 100.0 % | – |") == 2


def test_options_that_were_searched_for_are_a_limit(card: Card) -> None:
    assert "best of 1,200 sets" in render(replace(card, trials=1200)).markdown
    assert "best of" not in render(card).markdown


def test_there_is_a_place_to_sign(card: Card) -> None:
    markdown = render(card).markdown
    for role in ("developed by", "validated by", "approved by"):
        assert f"| {role} |  |  |  |" in markdown


def test_ignored_columns_are_there_with_their_reason(card: Card) -> None:
    declared = card.schema.model_dump(mode="json", exclude_none=True)
    ignored = [{"header": "Collections", "reason": "not known in time", "known_at": "after"}]
    schema = Schema.model_validate_json(Schema.model_validate(declared | {"ignored": ignored}).model_dump_json())
    for text in both(replace(card, schema=schema)):
        for said in ("Collections", "not known in time", "only after the loan was granted"):
            assert said in text
