"""The model card: what a model is, how good it is, what it must not be used for, and where it comes from.

A `Card` holds what is known, `render` writes it as Markdown and as one HTML page. The words are in `card.jinja`, once;
`card.md.jinja` and `card.html.jinja` say how a heading, a table or a picture is written in each. Both escape every
value: a lender's file and category names are not ours.
"""

import base64
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from loan_default.decision import Decision
from loan_default.schema import Column, Schema
from loan_default.schema.columns import NumberColumn, Risky, plain
from loan_default.schema.declaration import AuditColumn, Derived, Difference, Ratio
from loan_default.training.evaluate import Figures, Intervals, wilson
from loan_default.training.gates import STAGES, GateResult
from loan_default.training.slices import Slice

LABELS = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier score",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "mean_pd_to_base_rate": "mean PD / base rate",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}
_HIGHER_IS_BETTER = frozenset({"roc_auc", "pr_auc", "accuracy", "precision", "recall", "f1"})
_LOWER_IS_BETTER = frozenset({"brier", "log_loss", "calibration_error"})
_RISK = {"up": "More never lowers the PD.", "down": "More never raises the PD.", "none": "No direction is set."}
_KNOWN_AT = {"application": "at the application", "after": "only after the loan was granted"}
_FEW_DEFAULTS = 30  # with fewer, the interval of a share is wider than most differences between groups

_MARKDOWN_SIGNS = re.compile(r"([\\`*\[\]|#~])")  # would be taken for something else than text
_PICTURES = {
    "confusion_matrix.png": "Counts of the approved and the declined among those who repaid and those who defaulted.",
    "roc.png": "ROC curves: share of defaults caught against share of the repaid that are declined.",
    "precision_recall.png": "Precision-recall curves: defaults among the declined against share of defaults caught.",
    "reliability.png": "Reliability: share that defaulted against mean PD, in ten bins, with 95 % intervals.",
    "score_distribution.png": "Distribution of the PDs of those who repaid and of those who defaulted, with the bands.",
    "threshold.png": "Recall, precision, F1 and share declined at every threshold; the stored one is marked.",
    "importance.png": "Mean absolute contribution of each column to the score of hold-out applicants, in log-odds.",
    "contributions.png": "One dot for each hold-out applicant and column: its contribution, coloured by the value.",
    "slices.png": "Default rate, mean PD and share declined of every group.",
}


@dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        version: of the registered model; None before it is registered.
        policy: how the threshold was chosen, in words without a full stop.
        rows: of the data file, hold-out included; `defaults` likewise.
        baseline: figures of logistic regression on the same folds.
        without_smote: figures of the same procedure with SMOTE switched off, when they were measured.
        warnings: what the checks of the data pointed out.
        pictures: PNG by file name, as `pictures.draw` gives them. The Markdown expects them beside itself.
        history: lines of the promotion history.
    """

    name: str
    version: str | None
    run_id: str
    created_at: datetime
    model_type: str
    package_version: str
    git_commit: str | None
    libraries: Mapping[str, str]
    lock_sha256: str | None
    seed: int
    options: Mapping[str, object]
    data_file: str
    data_sha256: str
    rows: int
    defaults: int
    holdout_rows: int
    holdout_defaults: int
    schema: Schema
    decision: Decision
    policy: str
    out_of_fold: Figures
    baseline: Figures
    without_smote: Figures | None
    holdout: Figures
    holdout_intervals: Intervals
    gates: Sequence[GateResult]
    slices: Sequence[Slice]
    warnings: Sequence[str]
    pictures: Mapping[str, bytes]
    history: Sequence[str]


@dataclass(frozen=True)
class Rendered:
    """A card as Markdown, with pictures beside it, and as one HTML page that needs nothing else."""

    markdown: str
    html: str


def render(card: Card) -> Rendered:
    """Write the card in both forms."""
    return Rendered(markdown=_written(card, "card.md.jinja"), html=_written(card, "card.html.jinja"))


def _written(card: Card, layout: str) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_escape_markdown if layout == "card.md.jinja" else None,
    )
    environment.filters.update(
        thousands="{:,}".format, figure=_figure, flow=_flow, percent=_percent, data_uri=_data_uri
    )
    written = environment.get_template("card.jinja").render(
        card=card,
        layout=layout,
        created=f"{card.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        lineage=_lineage(card),
        command=_command(card),
        verdicts=_verdicts(card.gates),
        columns=[_column_row(column) for column in card.schema.columns],
        derived=[[each.name, _computed(each), each.description, _direction(each)] for each in card.schema.derived],
        audit=[[each.name, each.header, each.description, _groups(each)] for each in card.schema.audit],
        ignored=[[each.header, each.reason, _KNOWN_AT[each.known_at]] for each in card.schema.ignored],
        smote=_smote(card),
        figures=_figure_table(card),
        slices=[_slice_row(each) for each in card.slices],
        gates=[_gate_row(gate) for gate in sorted(card.gates, key=lambda gate: STAGES.index(gate.stage))],
        limits=list(_limits(card)),
        pictures=_PICTURES,
    )
    return re.sub(r"\n{3,}", "\n\n", written).strip() + "\n"


def _escape_markdown(value: Any) -> Any:
    """A value as text on one line, whatever it contains; what a template wrote itself passes."""
    if hasattr(value, "__html__"):
        return value
    text = _MARKDOWN_SIGNS.sub(r"\\\1", " ".join(str(value).split()))
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))  # noqa: S704  # escaped here


def _flow(text: str) -> Markup:
    """Text that a template wrote, on one line."""
    return Markup(" ".join(text.split()))  # noqa: S704  # it was escaped when it was written


def _figure(value: float) -> str:
    return f"{value:.4f}"


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _lineage(card: Card) -> list[tuple[str, str]]:
    known = {
        "model": card.name,
        "version": card.version,
        "MLflow run": card.run_id,
        "loan-default": card.package_version,
        "git commit": card.git_commit,
        "data, sha256": card.data_sha256,
        "lock file, sha256": card.lock_sha256,
        "seed": str(card.seed),
        **card.libraries,
    }
    return [(name, value) for name, value in known.items() if value is not None]


def _command(card: Card) -> str:
    return f"loan-default reproduce {shlex.quote(card.version or 'VERSION')} --data {shlex.quote(card.data_file)}"


def _verdicts(gates: Sequence[GateResult]) -> dict[str, str]:
    """For each stage that has gates, whether all of them passed."""
    return {
        stage: "every gate passed" if all(gate.passed for gate in of_stage) else "gates FAILED"
        for stage in STAGES
        if (of_stage := [gate for gate in gates if gate.stage == stage])
    }


def _column_row(column: Column) -> list[str]:
    unit = column.unit if isinstance(column, NumberColumn) else "–"
    return [column.name, column.header, column.description, column.allowed, unit, _direction(column)]


def _direction(item: Risky) -> str:
    return f"{_RISK[item.risk]} {item.risk_reason}"


def _computed(feature: Derived) -> str:
    operation = feature.operation
    if isinstance(operation, Ratio):
        return f"{operation.numerator} / {operation.denominator}"
    if isinstance(operation, Difference):
        return f"{operation.of} − {operation.minus}"
    return f"log({operation.of} + {plain(operation.plus)})"


def _groups(column: AuditColumn) -> str:
    return ", ".join(column.group_labels) or "every value is a group"


def _smote(card: Card) -> str:
    ratio = card.options.get("smote_ratio")
    defaults = card.defaults - card.holdout_defaults
    others = card.rows - card.holdout_rows - defaults
    if not isinstance(ratio, (int, float)) or ratio == 0:
        return "SMOTE is switched off: XGBoost sees the training rows as they are."
    if defaults >= int(ratio * others):
        return f"SMOTE had nothing to add: the training rows have {ratio:g} defaults for each other row already."
    return (
        f"SMOTE adds synthetic defaults to the training rows of each fold, up to {ratio:g} for each other row. "
        "Rows that a fold is measured on are always real ones."
    )


def _figure_table(card: Card) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of the table of figures."""
    compared = {"out of fold": card.out_of_fold, "hold-out": card.holdout, "logistic regression": card.baseline}
    if card.without_smote is not None:
        compared["without SMOTE"] = card.without_smote
    rows = [
        [LABELS.get(name, name), *(_figure(figures[name]) for figures in compared.values())]
        for name in card.out_of_fold
    ]
    for row, name in zip(rows, card.out_of_fold, strict=True):
        low, high = card.holdout_intervals[name]
        row.insert(3, f"{_figure(low)} – {_figure(high)}")
    return ["figure", "out of fold", "hold-out", "95 % interval", *list(compared)[2:]], rows


def _slice_row(each: Slice) -> list[str]:
    low, high = wilson(each.defaults, each.rows)
    interval = f"{_percent(low, 1)} – {_percent(high, 1)}"
    shares = [_percent(share, 1) for share in (each.default_rate, each.mean_pd, each.declined)]
    return [each.column, each.group, f"{each.rows:,}", f"{each.defaults:,}", shares[0], interval, *shares[1:]]


def _gate_row(gate: GateResult) -> list[str]:
    low, high = gate.holdout
    return [
        gate.stage,
        LABELS.get(gate.figure, gate.figure),
        f"{gate.side} {gate.limit:g}",
        _figure(gate.out_of_fold),
        f"{_figure(low)} – {_figure(high)}",
        "passed" if gate.passed else "FAILED",
    ]


def _limits(card: Card) -> Iterator[str]:
    """What this training knows it cannot promise, in sentences."""
    low, high = card.holdout_intervals["recall"]
    yield (
        f"The hold-out has {card.holdout_defaults:,} defaults, so its figures are uncertain: its recall of "
        f"{_figure(card.holdout['recall'])} has a 95 % interval from {_figure(low)} to {_figure(high)}."
    )
    for name, figures in (
        ("Logistic regression", card.baseline),
        ("The same procedure without SMOTE", card.without_smote),
    ):
        better = ", ".join(_where_better(figures, card.out_of_fold)) if figures is not None else ""
        if better:
            yield f"{name} is better than this model out of fold in {better}."
    yield (
        "The hold-out was set aside by a hash of the row, not by date. How well the model predicts loans that are "
        "granted later is not measured."
    )
    yield (
        f"The PDs are calibrated to the {_percent(card.defaults / card.rows)} of defaults in the data. How well the "
        "model does where the applicants, the loans or the economy differ is not known."
    )
    yield (
        "The data tell how loans ended. If they hold granted loans only, applicants whom the lender used to decline "
        "are not among them, and their PDs are extrapolated."
    )
    yield "Contributions and reasons say what moved the score, not what causes a default."
    yield from _limits_of_groups(card)
    if not card.gates:
        yield "No gates were declared: nothing was asked of the figures."


def _limits_of_groups(card: Card) -> Iterator[str]:
    if not card.schema.audit:
        yield "No audit columns are declared. How groups such as ages or sexes fare is not measured."
        return
    names = ", ".join(column.name for column in card.schema.audit)
    yield (
        f"Audit columns ({names}) are not given to the model. That does not remove their effect: other columns go "
        "with them, so groups can still be treated differently."
    )
    few = [f"{each.column}: {each.group} ({each.defaults})" for each in card.slices if each.defaults < _FEW_DEFAULTS]
    if few:
        yield f"Groups with fewer than {_FEW_DEFAULTS} defaults say little about themselves: {'; '.join(few)}."


def _where_better(figures: Figures, than: Figures) -> Iterator[str]:
    """The figures that are better, as printed, with both values."""
    for name in than:
        ours, theirs = round(than[name], 4), round(figures[name], 4)
        if (name in _HIGHER_IS_BETTER and theirs > ours) or (name in _LOWER_IS_BETTER and theirs < ours):
            yield f"{LABELS[name]} ({_figure(theirs)} against {_figure(ours)})"
