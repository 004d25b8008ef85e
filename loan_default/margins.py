"""XGBoost's margins by its C API: what `Booster.inplace_predict` does, without what that costs for a few rows.

For each call `inplace_predict` (XGBoost 3.1 and 3.2) tries which of a dozen types its data has, and makes a new class
to wrap the result in: half the time of a call for few rows, and cycles that only the garbage collector can remove, in
pauses that every caller waits through. The C function behind it is public and documented, its Python handles
(`xgboost.core._LIB`, `_check_call`) are not: this is the only place that uses them. See
docs/decisions/0014-margins-by-the-c-api.md.
"""

import ctypes
import json
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from xgboost.core import _LIB, _check_call

# As `inplace_predict(predict_type="margin")` sets it up: all trees, NaN is a missing value.
_MARGINS = json.dumps(
    {
        "type": 1,
        "training": False,
        "iteration_begin": 0,
        "iteration_end": 0,
        "missing": float("nan"),
        "strict_shape": False,
        "cache_id": 0,
    }
).encode()
# NumPy's array interface, which the C function reads its data by.
_ARRAY = b'{"data":[%d,true],"shape":[%d,%d],"strides":null,"typestr":"<f4","version":3}'


def raw_margins(booster: xgb.Booster, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """XGBoost's uncalibrated log-odds, (n,), for a feature matrix, (n, number of features).

    Several threads may call it at once with one booster, as with `inplace_predict`.

    Raises:
        XGBoostError: the matrix has another number of columns than the booster was trained on.
    """
    matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    rows, columns = matrix.shape
    shape, dimensions, found = ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_void_p()
    _check_call(
        _LIB.XGBoosterPredictFromDense(
            booster.handle,
            _ARRAY % (matrix.ctypes.data, rows, columns),
            _MARGINS,
            None,
            ctypes.byref(shape),
            ctypes.byref(dimensions),
            ctypes.byref(found),
        )
    )
    if not rows:
        return np.empty(0)
    # XGBoost's own memory, which the next call of this thread overwrites: it is copied at once.
    margins: Any = (ctypes.c_float * rows).from_address(found.value or 0)
    return np.array(margins, dtype=np.float64)
