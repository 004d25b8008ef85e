"""The training rows described: shares missing, quantiles, categories."""

import numpy as np
import pytest

from loan_default.schema import Schema
from loan_default.training.data import Dataset
from loan_default.training.population import QUANTILES, population
from loan_default.training.slices import OTHERS


def test_every_column_and_derived_feature_is_described(credit_dataset: Dataset, credit_schema: Schema) -> None:
    found = population(credit_dataset, credit_schema)
    assert {*found.numbers, *found.choices} == set(credit_schema.feature_names)
    income = credit_dataset.applicants[:, credit_schema.column_names.index("income")]
    assert found.numbers["income"].missing == pytest.approx(np.isnan(income).mean())
    assert found.numbers["income"].quantiles == pytest.approx(np.nanquantile(income, QUANTILES))
    shares = [share for _, share in found.choices["home"].shares]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    assert found.choices["home"].shares[0][0] == "owner"


def test_the_rarest_of_many_categories_are_taken_together(credit_schema: Schema) -> None:
    home = next(column for column in credit_schema.columns if column.name == "home")
    many = home.model_copy(update={"categories": tuple(f"home {i:02}" for i in range(30))})
    schema = credit_schema.model_copy(update={"columns": (many,), "derived": ()})
    data = Dataset(np.repeat(np.arange(30.0), np.arange(30, 0, -1))[:, None], np.zeros(465, dtype=np.int64), "", {})
    shares = population(data, schema).choices["home"].shares
    assert len(shares) == 13
    assert (shares[0], shares[-1][0]) == (("home 00", 30 / 465), OTHERS)
    assert sum(share for _, share in shares) == pytest.approx(1)


def test_a_column_without_any_value_has_no_spread(credit_schema: Schema) -> None:
    columns = tuple(column for column in credit_schema.columns if column.name in {"income", "home"})
    schema = credit_schema.model_copy(update={"columns": columns, "derived": ()})
    found = population(Dataset(np.full((5, 2), np.nan), np.zeros(5, dtype=np.int64), "", {}), schema)
    assert (found.numbers["income"].missing, found.numbers["income"].quantiles) == (1, [])
    assert (found.choices["home"].missing, found.choices["home"].shares) == (1, [])
