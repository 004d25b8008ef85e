"""The rows of the card's tables, every cell as text."""

import math
import shlex
from collections.abc import Sequence

from loan_default.schema import Column
from loan_default.schema.columns import NumberColumn, Risky, plain
from loan_default.schema.declaration import AuditColumn
from loan_default.schema.derived import Derived, Difference, Ratio
from loan_default.training.card.contents import LABELS, Card
from loan_default.training.card.writing import figure, percent
from loan_default.training.evaluate import wilson
from loan_default.training.gates import STAGES, GateResult
from loan_default.training.population import Population
from loan_default.training.slices import Slice, approval_ratios

_RISK = {"up": "More never lowers the PD.", "down": "More never raises the PD.", "none": "No direction is set."}
KNOWN_AT = {"application": "at the application", "after": "only after the loan was granted"}


def lineage(card: Card) -> list[tuple[str, str]]:
    """What it was made of: name and value."""
    known = {
        "model": card.name,
        "version": card.version,
        "MLflow run": card.run_id,
        "loan-default": card.package_version,
        "git commit": card.git_commit,
        "data, sha256": card.data_sha256,
        "declaration, sha256": card.schema.sha256,
        "lock file, sha256": card.lock_sha256,
        "seed": str(card.seed),
        **card.libraries,
    }
    return [(name, value) for name, value in known.items() if value is not None]


def command(card: Card) -> str:
    """How to train it again."""
    return f"loan-default reproduce {shlex.quote(card.run_id)} --data {shlex.quote(card.data_file)}"


def verdicts(gates: Sequence[GateResult]) -> dict[str, str]:
    """For each stage that has gates, whether all of them passed."""
    return {
        stage: "every gate passed" if all(gate.passed for gate in of_stage) else "gates FAILED"
        for stage in STAGES
        if (of_stage := [gate for gate in gates if gate.stage == stage])
    }


def column_row(column: Column) -> list[str]:
    """A column as it is declared."""
    unit = column.unit if isinstance(column, NumberColumn) else "–"
    return [column.name, column.header, column.description, column.allowed, unit, direction(column)]


def direction(item: Risky) -> str:
    """Which way more of it may move the PD, and why."""
    return f"{_RISK[item.risk]} {item.risk_reason}"


def computed(feature: Derived) -> str:
    """A derived feature as a formula."""
    operation = feature.operation
    if isinstance(operation, Ratio):
        return f"{operation.numerator} / {operation.denominator}"
    if isinstance(operation, Difference):
        return f"{operation.of} − {operation.minus}"
    return f"log({operation.of} + {plain(operation.plus)})"


def declared_groups(column: AuditColumn) -> str:
    """The groups that a column is cut into."""
    return ", ".join(column.group_labels) or "every value is a group"


def smote(card: Card) -> str:
    """What SMOTE did, in sentences."""
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


def figure_table(card: Card) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of the table of figures."""
    compared = {"out of fold": card.out_of_fold, "hold-out": card.holdout, "logistic regression": card.baseline}
    if card.without_smote is not None:
        compared["without SMOTE"] = card.without_smote
    rows = [
        [LABELS.get(name, name), *(figure(figures[name]) for figures in compared.values())] for name in card.out_of_fold
    ]
    for row, name in zip(rows, card.out_of_fold, strict=True):
        low, high = card.holdout_intervals[name]
        row.insert(3, f"{figure(low)} – {figure(high)}")
        worst, best = card.by_fold[name]
        row.insert(2, f"{figure(worst)} – {figure(best)}")
    return ["figure", "out of fold", "by fold", "hold-out", "95 % interval", *list(compared)[2:]], rows


def slice_rows(slices: Sequence[Slice]) -> list[list[str]]:
    """Every group: what happened, what was predicted, what was decided."""
    ratios = approval_ratios(slices)
    return [_slice_row(each, ratios[each]) for each in slices]


def _slice_row(each: Slice, approval_ratio: float) -> list[str]:
    low, high = wilson(each.defaults, each.rows)
    interval = f"{percent(low, 1)} – {percent(high, 1)}"
    shares = [percent(share, 1) for share in (each.default_rate, each.mean_pd, each.declined)]
    ratio = "–" if math.isnan(approval_ratio) else f"{approval_ratio:.2f}"
    return [each.column, each.group, f"{each.rows:,}", f"{each.defaults:,}", shares[0], interval, *shares[1:], ratio]


def sliced_columns(card: Card) -> str:
    """Whether the model sees the columns that the groups are of, in a sentence."""
    seen = [name for name in dict.fromkeys(each.column for each in card.slices) if name in card.schema.column_names]
    unseen = [each.name for each in card.schema.audit]
    if not unseen:
        return f"The model learns from the columns they are cut by ({', '.join(seen)})."
    said = f"The model never sees the audit columns they are cut by ({', '.join(unseen)})"
    return f"{said}; it learns from {', '.join(seen)}." if seen else f"{said}."


def numbers(population: Population) -> list[list[str]]:
    """How the numbers among the training rows are spread."""
    return [
        [name, percent(each.missing, 1), *map(_number, each.quantiles)] for name, each in population.numbers.items()
    ]


def choices(population: Population) -> list[list[str]]:
    """How often each category is, among the training rows that have one."""
    return [
        [name, percent(each.missing, 1), ", ".join(f"{label} {percent(share, 1)}" for label, share in each.shares)]
        for name, each in population.choices.items()
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.4g}"


def gate_row(gate: GateResult) -> list[str]:
    """A gate and its verdict."""
    low, high = gate.holdout
    return [
        gate.stage,
        LABELS.get(gate.figure, gate.figure),
        f"{gate.side} {gate.limit:g}",
        figure(gate.out_of_fold),
        f"{figure(low)} – {figure(high)}",
        "passed" if gate.passed else "FAILED",
    ]
