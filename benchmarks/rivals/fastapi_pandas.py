"""Rival: the service most teams write. FastAPI, a DataFrame of one row, a scikit-learn pipeline around XGBoost.

    python -m benchmarks.rivals.fastapi_pandas MODEL_FOLDER PORT

A plain `def` endpoint, which FastAPI runs in its thread pool, and one uvicorn process with uvloop and httptools. The
pipeline derives features, fills gaps and asks the classifier; the PD is calibrated as ours. It keeps no keys, metrics
or log.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, create_model
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from xgboost import XGBClassifier

from benchmarks.rivals.model_files import ModelFiles, read


def pipeline(model: ModelFiles) -> Pipeline:
    """Derived features, gaps filled, then the classifier with the stored trees."""
    classifier = XGBClassifier(n_jobs=1)
    classifier.load_model(model.path)
    names = [*model.columns, *(name for name, _, _ in model.ratios)]
    # Fitted to an applicant without gaps, whose values it passes on: all that is needed to answer.
    fill = ColumnTransformer([("fill", SimpleImputer(strategy="median"), names)])
    fill.fit(pd.DataFrame([[0.0] * len(names)], columns=names))

    def derive(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(**{name: table[above] / table[below] for name, above, below in model.ratios})

    return Pipeline([("derive", FunctionTransformer(derive)), ("fill", fill), ("classify", classifier)])


def application(model: ModelFiles) -> FastAPI:
    """The service."""
    fields: Any = {name: (of_type, Field(**model.limits[name])) for name, of_type in model.columns.items()}
    applicant: Any = create_model("Applicant", __config__=ConfigDict(extra="forbid"), **fields)
    scored = pipeline(model)
    app = FastAPI()

    @app.get("/healthz")
    def alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/predict")
    def predict(body: applicant) -> dict[str, float]:
        given: BaseModel = body
        score = scored.predict_proba(pd.DataFrame([given.model_dump()]))[:, 1].astype(np.float64)
        return {"probability": float(model.calibrated(np.log(score / (1 - score)))[0])}

    return app


if __name__ == "__main__":
    uvicorn.run(
        application(read(Path(sys.argv[1]))),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        access_log=False,
        log_level="warning",
    )
