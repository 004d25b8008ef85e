"""Who is told of a verdict: Prometheus, after every check, and the log, when it changes."""

import math

from loguru import logger

from loan_default.drift_link.messages import Verdict
from loan_default.metrics import DRIFT_DETECTED, DRIFT_LAST_CHECK, DRIFT_PSI, DRIFT_THRESHOLD, DRIFT_WINDOW

# Columns that have a series now: those that a new model does not have any more must not stand still for ever.
_shown: set[str] = set()


def publish(stage: str, verdict: Verdict, at: float) -> None:
    """Show a verdict in the metrics.

    Args:
        stage: of the served model, a label.
        verdict: what is known.
        at: when the monitor looked, Unix time.
    """
    for gone in _shown - verdict.columns.keys():
        DRIFT_PSI.labels(gone).set(math.nan)
        _shown.remove(gone)
    for name, column in verdict.columns.items():
        DRIFT_PSI.labels(name).set(column.psi)
        _shown.add(name)
    DRIFT_DETECTED.labels(stage).set(verdict.drift_detected)
    DRIFT_THRESHOLD.labels(stage).set(verdict.threshold)
    DRIFT_WINDOW.labels(stage).set(verdict.window.samples)
    DRIFT_LAST_CHECK.labels(stage).set(at)


def tell(before: Verdict, after: Verdict) -> None:
    """Log what has changed; nothing otherwise."""
    were, are = ({name for name, one in verdict.columns.items() if one.drifted} for verdict in (before, after))
    if were == are:
        return
    told = logger.bind(
        drifted=sorted(are),
        psi={name: round(column.psi, 4) for name, column in after.columns.items()},
        samples=after.window.samples,
        model=after.model_tag,
    )
    if are - were:
        told.warning("Drift: the applicants differ from the reference in {}", ", ".join(sorted(are)))
    elif are:
        told.info("Drift: {} as in the reference again", ", ".join(sorted(were - are)))
    else:
        told.info("Drift: the applicants are spread as in the reference again")
