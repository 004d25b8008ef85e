"""A comparison of the applicants of a file with those that the model was trained on.

The file is read as bulk scoring reads it, chunk by chunk, so it may be as long as it likes; only counts are kept.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pyarrow.fs import LocalFileSystem

from drift.comparison import Comparison, bin_labels
from loan_default.bulk.inspect import Inspected, inspect
from loan_default.bulk.opening import open_source
from loan_default.bulk.order import Written
from loan_default.bulk.progress import Progress
from loan_default.bulk.tally import Tally, band_codes
from loan_default.drift_link.messages import ColumnDrift, ReferenceFacts, Verdict, WindowFacts
from loan_default.errors import BulkInputError, NoDriftReport
from loan_default.model import LoanModel
from loan_default.psi import FALSE_ALARMS, Drift
from loan_default.reference import PD, PopulationWatch, Reference
from loan_default.served import Served
from loan_default.storage import Place


def inspected_portfolio(portfolio: Path, model: LoanModel, written: Written) -> Inspected:
    """Look at a file first.

    Raises:
        BulkInputError: it is not as `written` says, lacks a column or has no rows.
    """
    return inspect(_place(portfolio), model.schema, written)


def compare_portfolio(  # noqa: PLR0913, PLR0917  # a file, a model, and who is told
    portfolio: Path,
    inspected: Inspected,
    model: LoanModel,
    served: Served,
    threshold: float,
    told: Callable[[Progress], None],
) -> Comparison:
    """Compare a file with the model's training population.

    Args:
        portfolio: the file.
        inspected: what `inspected_portfolio` says of it.
        model: whose training population.
        served: where that model comes from.
        threshold: the PSI from which a shift matters.
        told: is told the progress after each chunk.

    Raises:
        NoDriftReport: the model carries no reference.
        BulkInputError: the file cannot be read, or none of its rows can be scored.
    """
    watch = model.population_watch(threshold)
    if model.reference is None or watch is None:
        raise NoDriftReport(
            f"Version {served.version} was trained by an earlier version of loan-default and does not say how its "
            "applicants were spread: train again."
        )
    total = _counted(portfolio, inspected, model, watch, told)
    if not total.scored:
        raise BulkInputError("None of the rows can be scored: `loan-default score` writes down why.")
    found = watch.drift(total.watched)
    window = {name: np.array(counts) for name, counts in total.watched.items()}
    bins = {**model.reference.features, PD: model.reference.pd}
    return Comparison(
        verdict=_verdict(found, total.scored, model.reference, served, threshold),
        window=window,
        reference={name: each.reference for name, each in bins.items()},
        labels=bin_labels(model.reference, model.schema.words),
        portfolio=portfolio.name,
        rejected=total.rejected,
    )


def _counted(
    portfolio: Path,
    inspected: Inspected,
    model: LoanModel,
    watch: PopulationWatch,
    told: Callable[[Progress], None],
) -> Tally:
    """What the rows of a file are counted as."""
    order, started = inspected.order, time.monotonic()
    source, _ = open_source(_place(portfolio), order.written, model.schema, reasons=False)
    total = Tally()
    for chunk in source.chunks(order.chunk_rows, ()):
        checked = source.check(chunk)
        features = model.features.matrix(checked.applicants)
        pd = model.pd_of_features(features)
        watched = watch.counts(features, pd) if len(pd) else {}
        total += Tally.of(checked, band_codes(pd, model.decision), pd, watched)
        told(
            Progress(
                stage="scoring" if total.rows < order.rows else "done",
                rows_done=total.rows,
                rows_rejected=total.rejected,
                seconds=time.monotonic() - started,
            )
        )
    return total


def _verdict(found: dict[str, Drift], rows: int, reference: Reference, served: Served, threshold: float) -> Verdict:
    """The verdict of one look: there is no earlier one that an alarm could be kept from."""
    drifted = any(one.drifted for one in found.values())
    return Verdict(
        status="drift" if drifted else "quiet",
        drift_detected=drifted,
        since=None,
        model_version=served.version,
        model_tag=served.tag,
        threshold=threshold,
        false_alarms=FALSE_ALARMS,
        checked_at=None,
        reference=ReferenceFacts(
            kind="training",
            rows=next(iter(reference.features.values())).rows,
            pd_rows=reference.pd.rows,
            note="",
        ),
        window=WindowFacts(size=rows, samples=rows, least=1, oldest=None, newest=None),
        columns={
            name: ColumnDrift(psi=one.psi, critical=one.critical, over=one.drifted, drifted=one.drifted, since=None)
            for name, one in found.items()
        },
        trend=[],
    )


def _place(portfolio: Path) -> Place:
    return Place(LocalFileSystem(), str(portfolio.resolve()))
