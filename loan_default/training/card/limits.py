"""What a training knows it cannot promise, in sentences."""

from collections.abc import Iterator

from loan_default.training.card.contents import LABELS, Card
from loan_default.training.card.writing import figure, percent
from loan_default.training.evaluate import Figures
from loan_default.training.slices import FOUR_FIFTHS, approval_ratios

_HIGHER_IS_BETTER = frozenset({"roc_auc", "pr_auc", "accuracy", "precision", "recall", "f1"})
_LOWER_IS_BETTER = frozenset({"brier", "log_loss", "calibration_error"})
_FEW_DEFAULTS = 30  # with fewer, the interval of a share is wider than most differences between groups
_FEW_ROWS = 30  # likewise of a share of approvals


def limits(card: Card) -> Iterator[str]:
    """Every limit of this training, one sentence or two each."""
    low, high = card.holdout_intervals["recall"]
    yield (
        f"The hold-out has {card.holdout_defaults:,} defaults, so its figures are uncertain: its recall of "
        f"{figure(card.holdout['recall'])} has a 95 % interval from {figure(low)} to {figure(high)}."
    )
    for name, figures in (
        ("Logistic regression", card.baseline),
        ("The same procedure without SMOTE", card.without_smote),
    ):
        better = ", ".join(_where_better(figures, card.out_of_fold)) if figures is not None else ""
        if better:
            yield f"{name} is better than this model out of fold in {better}."
    if card.trials:
        yield (
            f"The options are the best of {card.trials:,} sets, compared on the training rows. The out-of-fold figures "
            "are measured on other folds, but of the same rows, so they flatter a little; the hold-out does not."
        )
    yield (
        "The hold-out was set aside by a hash of the row, not by date. How well the model predicts loans that are "
        "granted later is not measured."
    )
    yield (
        f"The PDs are calibrated to the {percent(card.defaults / card.rows)} of defaults in the data. How well the "
        "model does where the applicants, the loans or the economy differ is not known."
    )
    yield (
        "The data tell how loans ended. If they hold granted loans only, applicants whom the lender used to decline "
        "are not among them, and their PDs are extrapolated."
    )
    yield "Contributions and reasons say what moved the score, not what causes a default."
    yield from _limits_of_groups(card)
    yield from _limits_of_approval(card)
    if not card.gates:
        yield "No gates were declared: nothing was asked of the figures."


def _limits_of_groups(card: Card) -> Iterator[str]:
    if not card.schema.audit:
        yield "No audit columns are declared. How groups such as ages or sexes fare is not measured."
    else:
        names = ", ".join(column.name for column in card.schema.audit)
        yield (
            f"Audit columns ({names}) are not given to the model. That does not remove their effect: other columns go "
            "with them, so groups can still be treated differently."
        )
    few = [f"{each.column}: {each.group} ({each.defaults})" for each in card.slices if each.defaults < _FEW_DEFAULTS]
    if few:
        yield f"Groups with fewer than {_FEW_DEFAULTS} defaults say little about themselves: {'; '.join(few)}."


def _limits_of_approval(card: Card) -> Iterator[str]:
    ratios = approval_ratios(card.slices).items()
    low = [
        f"{each.column}: {each.group} ({ratio:.2f})"
        for each, ratio in ratios
        if ratio < FOUR_FIFTHS and each.rows >= _FEW_ROWS
    ]
    if low:
        yield (
            "Groups that are approved less than four fifths as often as the largest group of their column, which the "
            f"lender has to be able to justify: {'; '.join(low)}."
        )


def _where_better(figures: Figures, than: Figures) -> Iterator[str]:
    """The figures that are better, as printed, with both values."""
    for name in than:
        ours, theirs = round(than[name], 4), round(figures[name], 4)
        if (name in _HIGHER_IS_BETTER and theirs > ours) or (name in _LOWER_IS_BETTER and theirs < ours):
            yield f"{LABELS[name]} ({figure(theirs)} against {figure(ours)})"
