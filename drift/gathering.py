"""A reference of the first live samples, for who asks for one or whose model carries none.

The samples themselves are kept until there are enough to cut bins from; then only the bins stay.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift.ring import Fields, Ring
from loan_default.bins import Bins
from loan_default.reference import Reference

_FILE = "gathering.npy"


class Gathering:
    """The first samples of one model, in a file that outlives the process."""

    def __init__(self, folder: Path, columns: int, size: int) -> None:
        """Go on with what is in `folder`, or begin anew.

        Args:
            folder: of the model.
            columns: how many features it has.
            size: samples that make a reference.
        """
        self._file = folder / _FILE
        fields: Fields = [("features", "<f4", (columns,)), ("pd", "<f8", ())]
        try:
            self._rows = Ring.open(self._file, fields, size)
        except (OSError, ValueError):
            self._rows = Ring.create(self._file, fields, size)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def complete(self) -> bool:
        """Whether there are enough."""
        return len(self) == self._rows.size

    def add(self, features: NDArray[np.float32], pd: NDArray[np.float64], at: float) -> int:
        """Add samples, features (n, columns) and PDs (n,); returns for how many there was room: the first ones."""
        fitting = min(len(pd), self._rows.size - len(self))
        if fitting:
            self._rows.add(at, features=features[:fitting], pd=pd[:fitting])
        return fitting

    def reference(self, nominal: Mapping[str, bool]) -> Reference:
        """The samples in bins; `nominal` says of each feature, by name, whether it is a code without an order."""
        columns = zip(nominal.items(), self._rows.values("features").T, strict=True)
        # Floats of the same kind as those that are counted later, see `Bins.of`.
        features = {name: Bins.of(values.astype(np.float32), nominal=code) for (name, code), values in columns}
        return Reference(features=features, pd=Bins.of(self._rows.values("pd").astype(np.float64)))

    def remove(self) -> None:
        """Remove the samples."""
        self._file.unlink(missing_ok=True)
