"""The latest rows in one file of fixed size, which outlives the process; `window.py` and `gathering.py` say of what.

The file is mapped into memory, so a row is kept as soon as it is written, however the process ends; a machine that
loses power may lose what the kernel had not written yet. Each row has a number, written last: a process that ends in
the middle leaves newer values under older numbers, and never a row that is none.
"""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loan_default.atomic import replacing

Fields = list[tuple[str, str, tuple[int, ...]]]


class Ring:
    """A ring of rows."""

    def __init__(self, rows: NDArray[np.void]) -> None:
        """Use `create` or `open`; `rows` is the mapped file."""
        self._rows = rows
        self._taken = int(rows["number"].max())

    @classmethod
    def create(cls, path: Path, fields: Fields, size: int) -> Self:
        """An empty ring, in the place of what was there.

        Args:
            path: the file.
            fields: of a row: names, little-endian types and shapes.
            size: rows at most.

        Raises:
            OSError: the disk is full, or not writable.
        """
        rows = np.zeros(size, _kind(fields))
        _write(path, rows)
        return cls.open(path, fields)

    @classmethod
    def open(cls, path: Path, fields: Fields, size: int | None = None) -> Self:
        """The ring that is there; with `size`, cut or extended to it, and counted anew.

        Raises:
            OSError, ValueError: there is none, or one of other rows.
        """
        rows = np.lib.format.open_memmap(path, mode="r+")
        if rows.dtype != _kind(fields) or rows.ndim != 1 or not len(rows):
            raise ValueError(f"{path.name} has other rows")
        if size is None or size == len(rows):
            return cls(rows)
        latest = np.sort(rows[rows["number"] > 0], order="number")[-size:]
        other = np.zeros(size, _kind(fields))
        other[: len(latest)] = latest
        other["number"][: len(latest)] = np.arange(1, len(latest) + 1)
        _write(path, other)
        return cls.open(path, fields)

    @property
    def size(self) -> int:
        """Rows at most."""
        return len(self._rows)

    @property
    def taken(self) -> int:
        """Rows that were ever added."""
        return self._taken

    def __len__(self) -> int:
        return min(self._taken, self.size)

    def add(self, at: float, **values: NDArray[np.generic]) -> None:
        """Add rows in the place of the oldest.

        Args:
            at: when they were taken, Unix time.
            values: by field, (n, …); of more than `size` rows the last ones are kept.
        """
        n = len(next(iter(values.values())))
        numbers = np.arange(self._taken + 1, self._taken + n + 1, dtype=np.uint64)[-self.size :]
        places = (numbers - 1) % self.size
        for name, each in values.items():
            self._rows[name][places] = each[-self.size :]
        self._rows["at"][places] = at
        self._rows["number"][places] = numbers
        self._taken += n

    def values(self, name: str) -> NDArray[np.generic]:
        """One field of the rows there are, in no particular order."""
        return np.asarray(self._rows[name][: len(self)])

    def between(self) -> tuple[float, float] | None:
        """When the oldest and the newest row was added, Unix time; None without rows."""
        if not self._taken:
            return None
        newest, oldest = (self._taken - 1) % self.size, (self._taken - len(self)) % self.size
        return float(self._rows["at"][oldest]), float(self._rows["at"][newest])

    def flush(self) -> None:
        """Have the kernel write what it has not written yet."""
        if isinstance(self._rows, np.memmap):
            self._rows.flush()


def _kind(fields: Fields) -> np.dtype[np.void]:
    return np.dtype([("number", "<u8"), ("at", "<f8"), *fields])


def _write(path: Path, rows: NDArray[np.void]) -> None:
    """Write the whole file, in one atomic step: every byte of it, for writing to a mapped hole on a full disk kills."""
    with replacing(path) as file:
        np.lib.format.write_array(file, rows, allow_pickle=False)
