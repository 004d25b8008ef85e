"""Models as a training would leave them, without MLflow and BentoML."""

from dataclasses import replace
from datetime import UTC, datetime

from loan_default.model import About, LoanModel
from loan_default.reference import Reference
from loan_default.served import Served, point
from loan_default.settings import Settings
from loan_default.training.data import Dataset
from loan_default.training.fit import Fitted


def complete(fitted: Fitted, rows: Dataset | None = None) -> LoanModel:
    """What was fitted as a complete model, which keeps `rows` as its training population, or none."""
    about = About(
        run_id="0123456789abcdef0123456789abcdef",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        model_type="test",
        package_version="0",
        data_sha256="0" * 64,
        seed=42,
        metrics={"oof_roc_auc": 0.9},
    )
    model = LoanModel.assemble(fitted.schema, fitted.booster, fitted.decision, about)
    if rows is None:
        return model
    features = model.features.matrix(rows.applicants)
    return replace(model, reference=Reference.of(model.schema, features, model.pd(rows.applicants)))


def put_in_production(settings: Settings, model: LoanModel, version: str = "7") -> Served:
    """What a promotion leaves behind, without MLflow and BentoML."""
    tag = f"{version}-01234567"
    served = Served(f"loan_default:{tag}", settings.bentoml_store / "models" / "loan_default" / tag)
    model.save(served.model_folder)
    point(settings, "production", served)
    return served
