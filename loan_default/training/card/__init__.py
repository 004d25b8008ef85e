"""The model card: what a model is, how good it is, what it must not be used for, and where it comes from.

A `Card` holds what is known, `render` writes it as Markdown and as one HTML page. The words are in `card.jinja`, once;
`card.md.jinja` and `card.html.jinja` say how a heading, a table or a picture is written in each. Both escape every
value: a lender's file and category names are not ours.

    contents   what is known
    tables     the rows of its tables
    limits     what cannot be promised
    writing    escaping, numbers, pictures as data
"""

import re
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from loan_default.training.card import tables
from loan_default.training.card.contents import LABELS, Card
from loan_default.training.card.limits import limits
from loan_default.training.card.writing import data_uri, escape_markdown, figure, flow, percent
from loan_default.training.gates import STAGES
from loan_default.training.population import QUANTILES

__all__ = ["LABELS", "Card", "Rendered", "render"]

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
        finalize=escape_markdown if layout == "card.md.jinja" else None,
    )
    environment.filters.update(thousands="{:,}".format, figure=figure, flow=flow, percent=percent, data_uri=data_uri)
    written = environment.get_template("card.jinja").render(
        card=card,
        layout=layout,
        created=f"{card.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        lineage=tables.lineage(card),
        command=tables.command(card),
        verdicts=tables.verdicts(card.gates),
        columns=[tables.column_row(column) for column in card.schema.columns],
        derived=[
            [each.name, tables.computed(each), each.description, tables.direction(each)] for each in card.schema.derived
        ],
        audit=[[each.name, each.header, each.description, tables.declared_groups(each)] for each in card.schema.audit],
        ignored=[[each.header, each.reason, tables.KNOWN_AT[each.known_at]] for each in card.schema.ignored],
        quantiles=[f"{100 * share:g} %" for share in QUANTILES],
        numbers=tables.numbers(card.population),
        choices=tables.choices(card.population),
        smote=tables.smote(card),
        figures=tables.figure_table(card),
        sliced_columns=tables.sliced_columns(card),
        slices=tables.slice_rows(card.slices),
        gates=[tables.gate_row(gate) for gate in sorted(card.gates, key=lambda gate: STAGES.index(gate.stage))],
        limits=list(limits(card)),
        pictures=_PICTURES,
    )
    return re.sub(r"\n{3,}", "\n\n", written).strip() + "\n"
