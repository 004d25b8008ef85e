"""Small declarations for tests of what follows from one."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from loan_default.schema import Schema
from loan_default.schema.applicant import Encoder, applicant_model


def ignore(column: str, outcome: str) -> None:
    """Nothing counts unknown categories here."""


WORDS = {"description": "X.", "risk_reason": "None."}
COLUMNS: list[dict[str, Any]] = [
    {"name": "income", "header": "Income", "type": "number", "unit": "$", "exclusive_minimum": 0, "example": 5},
    {"name": "debt", "header": "Debt", "type": "number", "unit": "$", "minimum": 0, "example": 5},
    {"name": "change", "header": "Change", "type": "integer", "unit": "$", "example": 5},
    {"name": "owner", "header": "Owner", "type": "boolean", "example": True},
    {"name": "home", "header": "Home", "type": "category", "categories": ["own", "rent"], "example": "rent"},
]
TARGET = {"header": "Bad", "positive": "bad", "description": "X."}
RATIO = {"ratio": {"numerator": "debt", "denominator": "income"}}


def declared(**changed: object) -> Schema:
    """A declaration of two amounts, a change, a yes or no, and a word; with parts changed."""
    content = {"name": "small", "columns": [WORDS | column for column in COLUMNS], "target": TARGET}
    return Schema.model_validate(content | changed)


def deriving(*operations: dict[str, Any]) -> Schema:
    """The same with derived features new_0, new_1 and so on."""
    return declared(derived=[WORDS | {"name": f"new_{i}"} | operation for i, operation in enumerate(operations)])


_WITH_UNIT = {"description": "X.", "risk_reason": "None.", "unit": "$"}
LIMITS = {"exclusive_minimum": 0, "exclusive_maximum": 10}
KINDS: dict[str, dict[str, Any]] = {
    "number": {"type": "number", "example": 5},
    "integer": {"type": "integer", "example": 5},
    "boolean": {"type": "boolean", "example": True},
    "category": {"type": "category", "categories": ["a", "b", "c"], "example": "a"},
}


def one(kind: str, **changed: object) -> Schema:
    """A declaration of the one column x."""
    words = {key: text for key, text in _WITH_UNIT.items() if key != "unit" or kind in {"number", "integer"}}
    column = {"name": "x", "header": "X"} | words | KINDS[kind] | changed
    target = {"header": "Bad", "positive": 1, "description": "X."}
    return Schema.model_validate({"name": "one", "columns": [column], "target": target})


MIXED = Schema.model_validate(
    one("number", may_be_missing=True).model_dump()
    | {
        "columns": [
            one(kind, **more).columns[0].model_dump() | {"name": name, "header": name}
            for name, kind, more in (
                ("income", "number", {"exclusive_minimum": 0, "may_be_missing": True}),
                ("debt", "number", {"minimum": 0}),
                ("years", "integer", {"minimum": -5}),
                ("children", "integer", {"may_be_missing": True}),
                ("owner", "boolean", {}),
                ("married", "boolean", {"may_be_missing": True}),
                ("home", "category", {}),
                ("job", "category", {"may_be_missing": True, "unknown": "missing", "never_seen": ["b"]}),
            )
        ],
        "derived": [
            {
                "name": "share",
                "ratio": {"numerator": "debt", "denominator": "income"},
                "description": "X.",
                "risk_reason": "None.",
            }
        ],
    }
)
ENCODER = Encoder(MIXED)
MODEL = applicant_model(MIXED, ignore)

NUMBERS = st.floats(min_value=1e-6, max_value=1e6)
WHOLE = st.integers(-5, 2**53)


def mixed_applicants() -> SearchStrategy[dict[str, Any]]:
    """Any applicants of the mixed declaration."""
    fields: dict[str, SearchStrategy[Any]] = {
        "debt": st.just(0.0) | NUMBERS,
        "years": WHOLE,
        "owner": st.booleans(),
        "home": st.sampled_from(["a", "b", "c"]),
    }
    optional: dict[str, SearchStrategy[Any]] = {
        "income": st.none() | NUMBERS,
        "children": st.none() | WHOLE,
        "married": st.none() | st.booleans(),
        "job": st.none() | st.sampled_from(["a", "c"]),
    }
    return st.fixed_dictionaries(fields, optional=optional)
