"""JSON with one applicant a line: exactly what the API takes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portfolios import JSON, place, rejects, results, scored

from loan_default.bulk.json_source import JsonSource
from loan_default.model import LoanModel
from loan_default.schema import Schema
from loan_default.schema.applicant import Encoder, applicant_model
from loan_default.training.data import Dataset

GOOD = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}


def lines(path: Path, *applicants: Any) -> Path:
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in applicants))
    return path


def test_applicants_get_the_answers_of_the_model(loan_model: LoanModel, dataset: Dataset, tmp_path: Path) -> None:
    names = loan_model.schema.column_names
    rows = [dict(zip(names, [int(row[0]), *row[1:]], strict=True)) for row in dataset.applicants[:3000].tolist()]
    source = lines(tmp_path / "x.jsonl", *rows)
    scored(source, tmp_path / "out", loan_model, JSON, rows=700)
    table = results(tmp_path / "out")
    assert np.array_equal(table["probability"].to_numpy(), loan_model.pd(dataset.applicants[:3000]))
    assert table.select(names).to_pylist() == rows


def test_what_the_api_refuses_is_rejected_with_its_words(loan_model: LoanModel, tmp_path: Path) -> None:
    twice = '{"employed": 1, "employed": 0, "bank_balance": 1, "annual_salary": 1}'
    source = lines(
        tmp_path / "x",
        GOOD,
        GOOD | {"employed": True},
        GOOD | {"bank_balance": -1, "annual_salary": "7"},
        {"employed": 1, "bank_balance": 1},
        GOOD | {"typo": 1},
        twice,
        "[1]",
        "nonsense",
        json.dumps(GOOD)[:-1] + ', "bank_balance": NaN}',
        GOOD,
    )
    summary = scored(source, tmp_path / "out", loan_model, JSON, rows=4)
    told = [(one["row"], one["column"], one["value"], one["reason"]) for one in rejects(tmp_path / "out")]
    assert told[:6] == [
        ("2", "employed", "true", "must be an integer from 0 to 1"),
        ("3", "bank_balance", "-1", "must be a number ≥ 0"),
        ("3", "annual_salary", "7", "must be a number > 0"),
        ("4", "annual_salary", "null", "is missing, a number > 0"),
        ("5", "typo", "1", "is not a known field"),
        ("6", "employed", "0", "is given more than once; give it once"),
    ]
    assert [(row, column) for row, column, _, _ in told[6:]] == [("7", ""), ("8", ""), ("9", "bank_balance")]
    assert (summary.scored, summary.rejected) == (2, 8)
    assert results(tmp_path / "out")["row"].to_pylist() == [1, 10]
    assert summary.rejects_by_reason["an unknown field"] == 1
    assert summary.rejects_by_reason["row: must be an applicant in JSON"] == 2


def test_gaps_and_unknown_categories_are_as_in_the_api(credit_model: LoanModel, tmp_path: Path) -> None:
    example = dict(credit_model.schema.example)
    sparse = {name: value for name, value in example.items() if name not in {"home", "income"}}
    scored(lines(tmp_path / "x", example, sparse), tmp_path / "out", credit_model, JSON)
    asked = applicant_model(credit_model.schema, lambda *_: None)
    encoder = Encoder(credit_model.schema)
    expected = credit_model.pd(np.array([encoder.row(asked.model_validate(row)) for row in (example, sparse)]))
    table = results(tmp_path / "out")
    assert table["probability"].to_pylist() == expected.tolist()
    assert table["home"].to_pylist() == [example["home"], None]


@given(st.lists(st.sampled_from(['{"employed": 1}', "", "\r", "x", "\t"]), max_size=8), st.integers(1, 3))
def test_each_line_is_scored_or_rejected(
    schema: Schema, tmp_path_factory: pytest.TempPathFactory, found: list[str], rows: int
) -> None:
    source = JsonSource(place(lines(tmp_path_factory.mktemp("json") / "x", *found)), schema, gzipped=False)
    numbers = [
        reject.row
        for chunk in source.chunks(rows, ())
        for reject in source.check(chunk).rejects
        if reject.column in {"", "bank_balance"}
    ]
    assert numbers == list(range(1, 1 + sum(line not in {"", "\r"} for line in found)))
