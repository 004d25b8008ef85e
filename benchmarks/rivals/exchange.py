"""What the benchmark and a rival in another environment hand each other: fits to do, and the PDs that came of them.

Both sides import this module, so it needs NumPy alone. The files are NumPy's npz without pickle.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UNUSED, TRAIN, TEST = 0, 1, 2


@dataclass(frozen=True)
class Task:
    """Models to fit, each on rows of its own.

    Attributes:
        names: of the k features.
        categorical: (k,) of bool; the values of such a feature are codes without an order.
        features: (n, k); NaN is a missing value.
        target: (n,), 1 for a default, 0 otherwise.
        roles: (models, n); what each row is to each model: UNUSED, TRAIN or TEST.
    """

    names: tuple[str, ...]
    categorical: NDArray[np.bool_]
    features: NDArray[np.float64]
    target: NDArray[np.int64]
    roles: NDArray[np.int8]

    def save(self, path: Path) -> None:
        """Write it to an npz file."""
        np.savez_compressed(
            path,
            names=np.array(self.names),
            categorical=self.categorical,
            features=self.features,
            target=self.target,
            roles=self.roles,
        )

    @classmethod
    def load(cls, path: Path) -> "Task":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            names = tuple(str(name) for name in stored["names"])
            return cls(names, stored["categorical"], stored["features"], stored["target"], stored["roles"])


def save_pds(path: Path, pds: NDArray[np.float64]) -> None:
    """Write the PDs, (models, n), of each model's TEST rows, to an npz file; the other values mean nothing."""
    np.savez_compressed(path, pds=pds)


def load_pds(path: Path, task: Task) -> NDArray[np.float64]:
    """Read what a rival wrote, (models, n).

    Raises:
        ValueError: it is no answer to this task: PDs are missing, or not between 0 and 1.
    """
    with np.load(path, allow_pickle=False) as stored:
        pds: NDArray[np.float64] = stored["pds"]
    if pds.shape != task.roles.shape:
        raise ValueError(f"the PDs of {task.roles.shape} models and rows were asked for, and {pds.shape} came")
    asked = pds[task.roles == TEST]
    if not ((asked >= 0) & (asked <= 1)).all():
        raise ValueError("some PDs are missing or not between 0 and 1")
    return pds
