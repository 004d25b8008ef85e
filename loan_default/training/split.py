"""Which rows the model never sees in training: a stratified hold-out that follows from the rows, not from a seed.

A row's place is the hash of its values. Training again, with another seed or after rows were added, keeps the same
applicants in the hold-out, so two models can be compared on rows neither has seen; and identical rows of one class
always fall on the same side.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from loan_default.training.data import Dataset


def row_hashes(applicants: NDArray[np.float64]) -> NDArray[np.uint64]:
    """A number for each row, (n,), that depends on its values alone and is spread evenly over 64 bits."""
    # -0.0 and 0.0 are the same value, and so is every NaN (missing): they get the same bytes.
    rows = np.ascontiguousarray(np.where(np.isnan(applicants), np.nan, applicants + 0.0))
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def holdout_mask(data: Dataset, share: float) -> NDArray[np.bool_]:
    """True, (n,), for the rows of the hold-out: in each class the `share` of rows with the smallest hashes.

    Args:
        share: of each class, in (0, 1); rounded to whole rows.
    """
    hashes = row_hashes(data.applicants)
    mask = np.zeros(len(data), dtype=np.bool_)
    for label in (0, 1):
        of_class = data.target == label
        count = round(share * int(of_class.sum()))
        if count:
            cutoff = np.sort(hashes[of_class])[count - 1]
            mask |= of_class & (hashes <= cutoff)
    return mask
