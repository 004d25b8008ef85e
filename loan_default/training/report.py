"""What a person at the terminal sees of a training: steps, a progress bar, and the tables at the end."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from loan_default.training.card import LABELS
from loan_default.training.evaluate import wilson
from loan_default.training.gates import STAGES, GateResult
from loan_default.training.measure import Evaluation
from loan_default.training.run import Outcome
from loan_default.training.slices import Slice, approval_ratios, as_dicts


class Terminal:
    """Prints the steps of a training; use it as a context, so that the progress bar is closed whatever happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def step(self, text: str) -> None:
        """A stage begins."""
        self._progress.console.print(text, highlight=False)

    def warn(self, text: str) -> None:
        """Something about the data that a person should look at."""
        self._progress.console.print(f"[yellow]Warning:[/] {escape(text)}.", highlight=False)

    def fitting(self, total: int) -> Callable[[], None]:
        """A stage with `total` fits begins."""
        task = self._progress.add_task("Fitting, folds within folds", total=total)
        return lambda: self._progress.advance(task)

    def searching(self, total: int) -> Callable[[float], None]:
        """A search of `total` trials begins."""
        task = self._progress.add_task("Searching", total=total)
        return lambda best: self._progress.update(task, advance=1, description=f"Searching, best log loss {best:.5f}")


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """The outcome for machines."""
    return {
        "version": outcome.registered.version,
        "run_id": outcome.registered.run_id,
        "promoted": outcome.promoted,
        "held_back": outcome.held_back,
        "threshold": outcome.model.decision.threshold,
        "policy": outcome.model.decision.policy.model_dump(),
        "options": outcome.model.about.options,
        "figures": outcome.evaluation.flat(),
        "gates": [gate.as_dict() for gate in outcome.gates],
        "slices": as_dicts(outcome.evaluation.slices),
    }


def print_outcome(console: Console, outcome: Outcome) -> None:
    """The tables of figures and gates, and what became of the model."""
    console.print(_figures_table(outcome.evaluation))
    if outcome.evaluation.slices:
        console.print(_slices_table(outcome.evaluation.slices))
    console.print(_gates_table(outcome.gates))
    decision = outcome.model.decision
    console.print(
        f"Threshold: a PD of {decision.threshold:.4f} or more is declined (High); "
        f"Medium starts at {decision.medium_from:.4f}. Policy: {decision.policy}.",
        highlight=False,
    )


def _figures_table(evaluation: Evaluation) -> Table:
    table = Table("figure", title="How well it predicts", title_justify="left")
    for heading in ("out of fold", "hold-out", "95 % interval", "without SMOTE", "logistic regression"):
        table.add_column(heading, justify="right")
    for name, label in LABELS.items():
        low, high = evaluation.holdout_intervals[name]
        table.add_row(
            label,
            f"{evaluation.out_of_fold[name]:.4f}",
            f"{evaluation.holdout[name]:.4f}",
            f"{low:.3f} – {high:.3f}",
            f"{evaluation.without_smote[name]:.4f}" if evaluation.without_smote else "the same",
            f"{evaluation.baseline[name]:.4f}",
        )
    return table


def _slices_table(slices: list[Slice]) -> Table:
    table = Table("column", "group", title="Groups, out of fold", title_justify="left")
    for heading in ("rows", "defaulted", "95 % interval", "mean PD", "declined", "approval ratio"):
        table.add_column(heading, justify="right")
    ratios = approval_ratios(slices)
    for each in slices:
        low, high = wilson(each.defaults, each.rows)
        table.add_row(
            each.column,
            escape(each.group),
            f"{each.rows:,}",
            f"{each.default_rate:.1%}",
            f"{low:.1%} – {high:.1%}",
            f"{each.mean_pd:.1%}",
            f"{each.declined:.1%}",
            f"{ratios[each]:.2f}",
        )
    return table


def _gates_table(gates: list[GateResult]) -> Table:
    table = Table("gate", title="May it be promoted?", title_justify="left")
    for heading in ("production", "staging"):
        table.add_column(heading, justify="right")
    verdicts = {(gate.figure, gate.stage): gate for gate in gates}
    for figure in dict.fromkeys(gate.figure for gate in gates):
        table.add_row(LABELS[figure], *(_verdict(verdicts.get((figure, stage))) for stage in STAGES))
    return table


def _verdict(gate: GateResult | None) -> str:
    if gate is None:
        return "no gate"
    sign = "≥" if gate.side == "at least" else "≤"
    return f"{sign} {gate.limit:g} " + ("[green]passed[/]" if gate.passed else "[bold red]FAILED[/]")
