"""Run while an image is built, after `slim.sh`: imports what answers, jobs, reports and training use of their packages.

Otherwise what was removed by mistake would be missed by the first job, not by the build. Packages that this image does
not have are left out.
"""

import importlib
from importlib.util import find_spec

USED = (
    "bentoml",
    "circus.arbiter",
    "dbos",
    "evidently.metrics",
    "matplotlib.pyplot",
    "mlflow.server",
    "numpy.testing",
    "optuna",
    "psycopg",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.dataset",
    "pyarrow.fs",
    "pyarrow.parquet",
    "redis.asyncio",
    "rich.traceback",
    "scipy.sparse",
    "sklearn.linear_model",
    "sqlalchemy.dialects.postgresql",
    "xgboost",
)

if __name__ == "__main__":
    for name in USED:
        if find_spec(name.partition(".")[0]) is not None:
            importlib.import_module(name)
