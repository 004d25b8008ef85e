"""The latest samples of one model, as the bins that their values lie in: a ring, so its memory does not grow."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift.ring import Fields, Ring

_FILE = "window.npy"


def create_window(folder: Path, columns: int, size: int) -> Ring:
    """An empty window of so many columns and samples.

    Raises:
        OSError: the disk is full, or not writable.
    """
    return Ring.create(folder / _FILE, _fields(columns), size)


def open_window(folder: Path, columns: int, size: int) -> Ring:
    """The window that is in `folder`, cut or extended to `size`.

    Raises:
        OSError, ValueError: there is none, or one of other columns.
    """
    return Ring.open(folder / _FILE, _fields(columns), size)


def counts(window: Ring, bins: list[int]) -> list[NDArray[np.int64]]:
    """How many samples lie in each bin, by column; `bins`: how many each column has."""
    codes = window.values("codes").T
    return [np.bincount(column, minlength=size) for column, size in zip(codes, bins, strict=True)]


def _fields(columns: int) -> Fields:
    return [("codes", "<u2", (columns,))]
