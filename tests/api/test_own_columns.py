"""The REST face of a model with a lender's own columns: categories, missing values, and what is unknown."""

import math
from pathlib import Path
from typing import Any

import pytest
from face import Face
from models import complete, put_in_production
from prometheus_client import REGISTRY

from loan_default.model import LoanModel
from loan_default.schema import DEFAULT_SCHEMA, load_schema
from loan_default.schema.applicant import Encoder, applicant_model
from loan_default.served import Served
from loan_default.settings import Settings
from loan_default.training.data import read_dataset
from loan_default.training.fit import FitOptions, fit_decision

OPTIONAL = ("home", "job", "income", "assets", "debt")


@pytest.fixture
def face(settings: Settings, promoted_credit: Served) -> Face:
    assert promoted_credit.model_folder.is_dir()
    return Face(settings)


@pytest.fixture
def applicant(credit_model: LoanModel) -> dict[str, Any]:
    return dict(credit_model.schema.example)


def direct(model: LoanModel, applicant: dict[str, Any]) -> float:
    """The model's own answer."""
    parsed = applicant_model(model.schema, lambda *_: None).model_validate(applicant)
    return float(model.pd(Encoder(model.schema).table([[value] for value in parsed.__dict__.values()]))[0])


def test_the_answer_is_the_models_own_to_the_last_bit(
    face: Face, credit_model: LoanModel, applicant: dict[str, Any]
) -> None:
    data = face.predict(applicant).json()["data"]
    assert data["probability"] == direct(credit_model, applicant)
    assert data["features_used"] == {**applicant, "loan_to_price": 800 / 846, "left_over": 129 - 73}


@pytest.mark.parametrize("name", OPTIONAL)
def test_left_out_and_null_are_the_same_missing_value(
    face: Face, credit_model: LoanModel, applicant: dict[str, Any], name: str
) -> None:
    null = face.predict({**applicant, name: None}).json()["data"]
    applicant.pop(name)
    left_out = face.predict(applicant).json()["data"]
    assert null.pop("decision_id") != left_out.pop("decision_id")
    assert null == left_out
    assert left_out["features_used"][name] is None
    assert left_out["probability"] == direct(credit_model, applicant)


def test_a_derived_feature_is_null_where_its_column_is(face: Face, applicant: dict[str, Any]) -> None:
    features = face.predict({**applicant, "income": None}).json()["data"]["features_used"]
    assert features["left_over"] is None
    assert not math.isnan(features["loan_to_price"])


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"job": "pirate"}, "job: must be one of 'fixed', 'freelance', 'partime', 'others', or null"),
        ({"job": ""}, "job: must be one of"),
        ({"job": 1}, "job: must be one of"),
        ({"records": True}, "records: must be one of 'no', 'yes'"),
        ({"records": None}, "records: must be one of 'no', 'yes'"),
        ({"income": "129"}, "income: must be a number > 0, or null"),
        ({"seniority": 9.5}, "seniority: must be an integer ≥ 0"),
        ({"seniority": None}, "seniority: must be an integer ≥ 0"),
        ({"age": 30}, "age: is not a known field"),
        ({"bank_balance": 1}, "bank_balance: is not a known field"),
    ],
)
def test_what_the_declaration_rules_out_is_refused_in_words(
    face: Face, applicant: dict[str, Any], changed: dict[str, Any], problem: str
) -> None:
    answer = face.predict({**applicant, **changed})
    assert answer.status_code == 422
    assert problem in answer.json()["message"]


def test_all_problems_of_an_applicant_come_at_once(face: Face) -> None:
    details = face.predict({"job": "pirate"}).json()["details"]
    required = {"seniority", "term", "records", "expenses", "amount", "price"}
    assert {detail["field"] for detail in details} == {*required, "job"}


def test_an_unknown_category_is_counted_by_column_and_outcome(face: Face, applicant: dict[str, Any]) -> None:
    labels = {"column": "home", "outcome": "refused"}
    before = REGISTRY.get_sample_value("loan_unknown_categories_total", labels) or 0
    face.predict({**applicant, "home": "castle"})
    assert REGISTRY.get_sample_value("loan_unknown_categories_total", labels) == before + 1


ENTRY = """
  - name: open_loans
    header: Open Loans
    type: integer
    minimum: 0
    unit: loans
    description: Loans the applicant has not repaid yet.
    example: 2
    risk: up
    risk_reason: More debt does not make anybody likelier to repay it.

derived:"""


def test_adding_a_column_is_one_entry_in_one_file(tmp_path: Path, settings: Settings) -> None:
    """The declaration gets the entry, the file has the column, and no code is told."""
    declaration = tmp_path / "with_loans.schema.yaml"
    declaration.write_text(DEFAULT_SCHEMA.read_text().replace("\nderived:", ENTRY))
    header, *lines = DEFAULT_SCHEMA.with_name("Default_Fin.csv").read_text().splitlines()
    rows = [f"{line},{i % 5 + 2 * int(line[-1])}" for i, line in enumerate(lines)]
    (tmp_path / "with_loans.csv").write_text("\n".join([f"{header},Open Loans", *rows]))
    schema = load_schema(declaration)
    fitted = fit_decision(read_dataset(tmp_path / "with_loans.csv", schema), schema, FitOptions(folds=3, trees=30))
    put_in_production(settings, complete(fitted))
    face = Face(settings)
    applicant = {"employed": 1, "bank_balance": 20_000, "annual_salary": 400_000}
    few, many = (face.predict({**applicant, "open_loans": loans}).json()["data"] for loans in (0, 6))
    assert few["probability"] < many["probability"]
    assert many["features_used"]["open_loans"] == 6
    refusal = face.predict(applicant).json()
    assert refusal["message"] == "open_loans: is missing, an integer ≥ 0."


def test_model_info_names_the_columns_of_this_model(face: Face, credit_model: LoanModel) -> None:
    data = face.call("GET", "/api/v1/model/info", headers={"X-API-Key": "first-key"}).json()["data"]
    assert data["features"] == credit_model.schema.column_names
    assert data["engineered_features"] == ["loan_to_price", "left_over"]
