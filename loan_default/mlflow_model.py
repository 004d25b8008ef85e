"""The registered MLflow model: the whole decision behind MLflow's own interface, logged as code and never pickled.

MLflow runs this file when it loads the model, so `mlflow models serve`, `spark_udf` and the Bento answer alike.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel
from mlflow.pyfunc.model import PythonModelContext

from loan_default.model import LoanModel
from loan_default.schema.applicant import Encoder
from loan_default.served import LOAN_MODEL_FOLDER


class LoanDecision(PythonModel):  # type: ignore[misc]  # MLflow's base class is untyped
    """Scores a table of applicants: columns by their API names in, one row of answers for each row out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's files."""
        self._model = LoanModel.load(Path(context.artifacts[LOAN_MODEL_FOLDER]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002  # MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Probability (0 to 1), prediction (0 or 1) and risk band of each row."""
        table = model_input[self._model.schema.column_names].astype(object)
        table[table.isna()] = None  # pandas has several ways to say "missing"
        columns = [table[name].tolist() for name in table]
        probability = self._model.pd(Encoder(self._model.schema).table(columns))
        decision = self._model.decision
        return pd.DataFrame(
            {
                "probability": probability,
                "prediction": (probability >= decision.threshold).astype("int64"),
                "default_risk": [decision.band(pd) for pd in probability],
            },
            index=model_input.index,
        )


mlflow.models.set_model(LoanDecision())
