"""Samples of applicants as the online workers hand them to the drift monitor."""

import numpy as np
from numpy.typing import NDArray

from loan_default.drift_link.messages import Batch, Introduction
from loan_default.model import LoanModel

TAG = "loan_default:7-01234567"


def introduction(model: LoanModel, tag: str = TAG, *, with_reference: bool = True) -> Introduction:
    """What a worker says of a model."""
    schema = model.schema
    return Introduction(
        tag=tag,
        version=tag.partition(":")[2].partition("-")[0],
        features=schema.feature_names,
        nominal=[kind == "c" for kind in schema.feature_types],
        reference=model.reference if with_reference else None,
        words=schema.words,
    )


def batch(model: LoanModel, applicants: NDArray[np.float64], tag: str = TAG, *, online: bool = True) -> Batch:
    """What a worker says of applicants."""
    return Batch.of(model.features.matrix(applicants), model.pd(applicants), tag=tag, online=online)


def drawn(applicants: NDArray[np.float64], count: int, seed: int) -> NDArray[np.float64]:
    """So many of the applicants, drawn with replacement."""
    return applicants[np.random.default_rng(seed).integers(0, len(applicants), count)]


def richer(applicants: NDArray[np.float64], by: float = 1.4) -> NDArray[np.float64]:
    """Applicants of the default columns with other balances."""
    changed = applicants.copy()
    changed[:, 1] *= by
    return changed
