"""Answers by cell: where trees cut the features into few cells, each cell's answer is computed once and looked up.

A tree compares features with its cuts and knows nothing else of them. Between neighbouring cuts of all trees together,
in one cell, every row takes the same way through every tree, so margin and contributions are the same to the last bit.
The default model, 200 trees of one split on three features, has some hundred cells. XGBoost itself answers for each of
them; see docs/decisions/0019-answers-by-cell.md.
"""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

# As many PDs as half a megabyte holds: looking up stays quick, and filling takes the trees some 30 ms.
MOST_CELLS = 65_536
# Of a model as JSON, which is read in 20 ms that nothing else can run in; a larger one's trees are asked.
_MOST_BYTES = 2 << 20
# So that places on an axis are bytes. XGBoost's histograms have up to 256 cuts of a feature.
_MOST_CUTS = 255
# Fewer rows are placed one by one; for more, comparing columns with every cut costs less, by the vector unit.
FEW_ROWS = 128

_Answer = TypeVar("_Answer", bound=np.generic)
# From a feature matrix, (n, number of features), to what is known of each row, (n, …).
Answering: TypeAlias = Callable[[NDArray[np.float32]], NDArray[_Answer]]


class _Axis(NamedTuple):
    """How one feature is cut: its place 0 is a missing value, 1 lies below all cuts, 2 from the first cut on, ….

    Attributes:
        feature: its column.
        cuts: in ascending order, finite; a tree's left side is what is less than the cut. There are none when the
            trees only ask whether there is a value.
    """

    feature: int
    cuts: NDArray[np.float32]

    @property
    def size(self) -> int:
        """How many places it has."""
        return len(self.cuts) + 2

    @property
    def inside(self) -> NDArray[np.float32]:
        """A value that lies in each place, (size,)."""
        below = np.nextafter(self.cuts[:1], np.float32(-np.inf)) if len(self.cuts) else np.zeros(1, dtype=np.float32)
        return np.concatenate([[np.float32(np.nan)], below, self.cuts])

    def places(self, column: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The place of each of these values, (n,)."""
        found = np.equal(column, column).view(np.uint8)  # only NaN is not equal to itself
        reached = np.empty(len(column), dtype=np.bool_)
        for cut in self.cuts:
            np.greater_equal(column, cut, out=reached)
            found += reached.view(np.uint8)
        return found


class Cells:
    """The cells that the trees of one booster cut the features into.

    Attributes:
        points: a feature matrix with one row in each cell, (cells, number of features).
    """

    def __init__(self, axes: list[_Axis], features: int) -> None:
        """`features`: how many the booster takes; `axes`: those that its trees look at."""
        self._axes = axes
        # The same in Python's own types, which are faster for few rows.
        self._cuts = [(axis.feature, axis.cuts.tolist(), axis.size) for axis in axes]
        self.points = np.zeros((prod(axis.size for axis in axes), features), dtype=np.float32)
        for axis, values in zip(axes, np.meshgrid(*(axis.inside for axis in axes), indexing="ij"), strict=True):
            self.points[:, axis.feature] = values.ravel()

    @classmethod
    def of(cls, booster: xgb.Booster) -> Self | None:
        """The cells of a booster; None when there are too many, or none: trees that split by category, no trees."""
        axes = _axes(booster)
        if not axes or any(len(axis.cuts) > _MOST_CUTS for axis in axes):
            return None
        return cls(axes, booster.num_features()) if prod(axis.size for axis in axes) <= MOST_CELLS else None

    def __len__(self) -> int:
        return len(self.points)

    def places(self, matrix: NDArray[np.float32]) -> NDArray[np.intp]:
        """The cell of each row, (n,), of a feature matrix, (n, number of features), without infinite values."""
        if len(matrix) <= FEW_ROWS:
            return np.array([self._place(row) for row in matrix.tolist()], dtype=np.intp)
        found = np.zeros(len(matrix), dtype=np.intp)
        for axis in self._axes:
            found *= axis.size
            found += axis.places(np.ascontiguousarray(matrix[:, axis.feature]))
        return found

    def _place(self, row: list[float]) -> int:
        found = 0
        for feature, cuts, size in self._cuts:
            value = row[feature]
            found = found * size + (bisect_right(cuts, value) + 1 if value == value else 0)  # noqa: PLR0124  # not NaN
        return found


def by_cell(cells: Cells | None, answer: Answering[_Answer], most: int = MOST_CELLS) -> Answering[_Answer]:
    """The same answers, looked up by cell; `answer` itself where there are no cells, or more than `most`.

    Args:
        cells: of the booster that answers.
        answer: has for a row of the matrix what its trees make of it, and nothing that depends on the value otherwise.
        most: what filling the table may cost.
    """
    if cells is None or len(cells) > most:
        return answer
    table = answer(cells.points)
    return lambda matrix: table[cells.places(matrix)]


def _axes(booster: xgb.Booster) -> list[_Axis]:
    """How the trees cut the features they look at; none when that is not all that the trees do."""
    content = booster.save_raw("json")
    if len(content) > _MOST_BYTES:
        return []
    learner: Any = json.loads(content)["learner"]
    if learner["gradient_booster"]["name"] != "gbtree":
        return []
    cuts: defaultdict[int, set[float]] = defaultdict(set)
    for tree in learner["gradient_booster"]["model"]["trees"]:
        if any(tree["split_type"]):
            return []
        splits = zip(tree["left_children"], tree["split_indices"], tree["split_conditions"], strict=True)
        for left, feature, cut in splits:
            if left != -1:  # a leaf's condition is its value
                cuts[feature].add(cut)
    return [_axis(feature, cuts[feature]) for feature in sorted(cuts)]


def _axis(feature: int, cuts: set[float]) -> _Axis:
    """An axis without the cuts that only part missing values from others: all features are finite, as float32."""
    rising = np.unique(np.array(list(cuts), dtype=np.float32))
    return _Axis(feature, rising[np.isfinite(rising) & (rising > np.finfo(np.float32).min)])
