"""Which rows the model never sees in training: a stratified hold-out that follows from the rows, not from a seed.

A row's place is the hash of its values. Training again, with another seed or after rows were added, keeps the same
applicants in the hold-out, so two models can be compared on rows neither has seen; and identical rows of one class
always fall on the same side.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from loan_default.training.data import Dataset

# Of each class.
HOLDOUT_SHARE = 0.2


def row_hashes(applicants: NDArray[np.float64]) -> NDArray[np.uint64]:
    """A number for each row, (n,), that depends on its values alone and is spread evenly over 64 bits."""
    # -0.0 and 0.0 are the same value, and so is every NaN (missing): they get the same bytes.
    rows = np.ascontiguousarray(np.where(np.isnan(applicants), np.nan, applicants + 0.0))
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def holdout_cutoffs(data: Dataset, share: float) -> tuple[int, int]:
    """For each class, 0 and 1, the largest of the smallest hashes that make up the `share`; rows up to it are held out.

    Args:
        share: of each class, in (0, 1); rounded to whole rows. A class too small for one row gets 0.
    """
    hashes = row_hashes(data.applicants)
    cutoffs = []
    for label in (0, 1):
        of_class = np.sort(hashes[data.target == label])
        count = round(share * len(of_class))
        cutoffs.append(int(of_class[count - 1]) if count else 0)
    return cutoffs[0], cutoffs[1]


def unseen(data: Dataset, cutoffs: tuple[int, int]) -> NDArray[np.bool_]:
    """True, (n,), for the rows that a training with these cut-offs held out, whatever file they are in."""
    return row_hashes(data.applicants) <= np.array(cutoffs, dtype=np.uint64)[data.target]


def holdout_mask(data: Dataset, share: float) -> NDArray[np.bool_]:
    """True, (n,), for the rows of the hold-out: in each class the `share` of rows with the smallest hashes."""
    return unseen(data, holdout_cutoffs(data, share))
