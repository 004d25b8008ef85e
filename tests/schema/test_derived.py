"""Features derived from columns: which operations there are, and what cannot be computed."""

from typing import Any

import pytest
from declarations import RATIO, WORDS, declared, deriving
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("operation", "uses"),
    [
        (RATIO, ("debt", "income")),
        ({"ratio": {"numerator": "change", "denominator": "income"}}, ("change", "income")),
        ({"difference": {"of": "income", "minus": "change"}}, ("income", "change")),
        ({"difference": {"of": "debt", "minus": "debt"}}, ("debt", "debt")),
        ({"log": {"of": "income"}}, ("income",)),
        ({"log": {"of": "debt", "plus": 0.001}}, ("debt",)),
        ({"log": {"of": "income", "plus": 1}}, ("income",)),
    ],
)
def test_an_operation_knows_the_columns_it_uses(operation: dict[str, Any], uses: tuple[str, ...]) -> None:
    (feature,) = deriving(operation).derived
    assert feature.operation.uses == uses


@pytest.mark.parametrize(
    ("operation", "complaint"),
    [
        ({"ratio": {"numerator": "x", "denominator": "income"}}, "uses 'x', which is not a declared column"),
        ({"ratio": {"numerator": "debt", "denominator": "x"}}, "uses 'x', which is not a declared column"),
        ({"difference": {"of": "x", "minus": "debt"}}, "uses 'x', which is not a declared column"),
        ({"difference": {"of": "debt", "minus": "x"}}, "uses 'x', which is not a declared column"),
        ({"log": {"of": "x"}}, "uses 'x', which is not a declared column"),
        ({"log": {"of": "new_0"}}, "uses 'new_0', which is not a declared column"),
        ({"ratio": {"numerator": "home", "denominator": "income"}}, "computes with 'home', which is a category"),
        ({"ratio": {"numerator": "debt", "denominator": "home"}}, "computes with 'home', which is a category"),
        ({"difference": {"of": "debt", "minus": "owner"}}, "computes with 'owner', which is a boolean"),
        ({"log": {"of": "home", "plus": 1}}, "computes with 'home', which is a category"),
        ({"ratio": {"numerator": "income", "denominator": "debt"}}, "divides by 'debt', which may be zero or less"),
        ({"ratio": {"numerator": "income", "denominator": "change"}}, "divides by 'change', which may be zero"),
        ({"log": {"of": "debt"}}, "the logarithm of 'debt' plus 0, which may be zero or less"),
        ({"log": {"of": "change", "plus": 1e9}}, "the logarithm of 'change' plus 1000000000, which may be zero"),
        ({"log": {"of": "income", "plus": -0.5}}, "the logarithm of 'income' plus -0.5, which may be zero or less"),
    ],
)
def test_a_derived_feature_that_cannot_be_computed_is_refused(operation: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=f"derived feature 'new_0' .*{complaint}"):
        deriving(operation)


@pytest.mark.parametrize(
    ("limit", "plus", "fine"),
    [
        ({"minimum": 1}, 0, True),
        ({"minimum": 0}, 0, False),
        ({"exclusive_minimum": 0}, 0, True),
        ({"exclusive_minimum": -1}, 0, False),
        ({"minimum": -3}, 3, False),
        ({"minimum": -3}, 3.5, True),
        ({"exclusive_minimum": -3}, 3, True),
        ({"exclusive_minimum": -3}, 2.9, False),
        ({"minimum": 3}, -3, False),
        ({"minimum": 3}, -2, True),
        ({"maximum": 9}, 1, False),
        ({}, 1, False),
    ],
)
def test_a_logarithm_is_only_taken_of_what_is_always_positive(limit: dict[str, float], plus: float, fine: bool) -> None:
    column = WORDS | {"name": "x", "header": "X", "type": "number", "unit": "$", "example": 5} | limit
    derived = [WORDS | {"name": "log_x", "log": {"of": "x", "plus": plus}}]
    if fine:
        assert declared(columns=[column], derived=derived).derived_names == ["log_x"]
    else:
        with pytest.raises(ValidationError, match="takes the logarithm of 'x'"):
            declared(columns=[column], derived=derived)


def test_everything_that_cannot_be_derived_is_named_in_one_go() -> None:
    with pytest.raises(ValidationError) as caught:
        deriving({"log": {"of": "debt"}}, RATIO, {"difference": {"of": "x", "minus": "debt"}})
    assert "'new_0' takes the logarithm" in str(caught.value)
    assert "'new_2' uses 'x'" in str(caught.value)
    assert "new_1" not in str(caught.value)


@pytest.mark.parametrize("operation", [{}, RATIO | {"log": {"of": "income"}}, {"ratio": None}])
def test_a_derived_feature_has_exactly_one_operation(operation: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="declare one of ratio, difference and log"):
        deriving(operation)


@pytest.mark.parametrize(
    ("operation", "complaint"),
    [
        ({"log": {"of": "debt", "plus": float("inf")}}, "finite number"),
        ({"log": {"of": "debt", "plus": float("nan")}}, "finite number"),
        ({"log": {"of": "debt", "base": 10}}, "Extra inputs"),
        ({"ratio": {"numerator": "debt"}}, "denominator"),
        ({"product": ["debt", "income"]}, "Extra inputs"),
        ({"ratio": "debt / income"}, "ratio"),
    ],
)
def test_an_operation_has_its_own_keys_only(operation: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        deriving(operation)
