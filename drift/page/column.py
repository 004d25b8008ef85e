"""What a report says of each feature and of the PD, the worst first."""

from dataclasses import dataclass

from drift.comparison import Comparison
from drift.page.bars import Bars, draw_bars
from drift.page.trend import Trend, draw_trend
from loan_default.drift_link.messages import ColumnDrift


@dataclass(frozen=True)
class ShownColumn:
    """One feature, or the PD.

    Attributes:
        name: of it.
        place: counted from 1; what links lead to, because a name may hold anything.
        found: its figures.
        limit: what PSI must be over for an alarm: the threshold, or what chance explains where that is more.
        state: in a few words.
        rows, reference_rows: how many are compared.
        bars: its spread; None when there is nothing to compare with yet.
        trend: its PSI over time; None with fewer than two checks.
    """

    name: str
    place: int
    found: ColumnDrift
    limit: float
    state: str
    rows: int
    reference_rows: int
    bars: Bars | None
    trend: Trend | None


def shown_columns(comparison: Comparison) -> list[ShownColumn]:
    """All of them: those with an alarm first, then by how near they are to one."""
    verdict = comparison.verdict

    def limit(found: ColumnDrift) -> float:
        return max(verdict.threshold, found.critical)

    ordered = sorted(
        verdict.columns.items(), key=lambda item: (not item[1].drifted, -item[1].psi / limit(item[1]), item[0])
    )
    shown = []
    for place, (name, found) in enumerate(ordered, start=1):
        window, reference = comparison.window.get(name), comparison.reference.get(name)
        shown.append(
            ShownColumn(
                name=name,
                place=place,
                found=found,
                limit=limit(found),
                state=_state(found),
                rows=verdict.window.samples if window is None else int(window.sum()),
                reference_rows=0 if reference is None else int(reference.sum()),
                bars=None
                if window is None or reference is None or not window.sum()
                else draw_bars(window, reference, comparison.labels[name]),
                trend=draw_trend(name, comparison.trend, verdict.threshold),
            )
        )
    return shown


def _state(found: ColumnDrift) -> str:
    if found.drifted:
        return "drifted" if found.over else "drifted; now below the limit"
    return "over the limit, to be confirmed" if found.over else "as in the reference"
