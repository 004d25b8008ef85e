"""What a declaration becomes for callers: the request model, and an applicant as the row of numbers to score."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, create_model
from pydantic_core import PydanticCustomError

from loan_default.schema.columns import CategoryColumn, Column, NumberColumn, Value
from loan_default.schema.declaration import Schema

# Told about each category that the model does not know: the column's name, and what became of the value.
OnUnknown: TypeAlias = Callable[[str, Literal["refused", "missing"]], None]

_LONGEST_CATEGORY = 200
# What a float64 holds exactly.
LARGEST_INTEGER = 2**53


def applicant_model(schema: Schema, on_unknown: OnUnknown) -> type[BaseModel]:
    """The request model: strict types, declared limits and categories, no unknown fields, no NaN or infinity.

    A column that may be missing may be left out or null; both mean the same.
    """
    # Aliases, because a column may well be called `schema` or `json`, which a pydantic model has uses for itself.
    fields: dict[str, Any] = {f"column_{i}": _field(column, on_unknown) for i, column in enumerate(schema.columns)}
    config = ConfigDict(
        extra="forbid", strict=True, hide_input_in_errors=True, json_schema_extra={"example": dict(schema.example)}
    )
    return create_model("Applicant", __config__=config, __doc__="One loan applicant.", **fields)


class Encoder:
    """Turns values as callers and tables give them into the numbers of a row, and features back into values."""

    def __init__(self, schema: Schema) -> None:
        self._encoders = [_encoder(column) for column in schema.columns]
        self._columns = schema.columns
        self._shown = [_shower(column) for column in schema.columns] + [_shown_number] * len(schema.derived)
        self._names = schema.feature_names

    def row(self, applicant: BaseModel) -> list[float]:
        """A validated applicant's columns as numbers, in the schema's order; NaN where a value is missing."""
        values = applicant.__dict__.values()
        return [encode(value) for encode, value in zip(self._encoders, values, strict=True)]

    def table(self, columns: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
        """A table of values, one sequence for each column in the schema's order, as (n, number of columns).

        Raises:
            ValueError: a category that its column refuses, or a gap where there must be none.
        """
        return np.column_stack(
            [_encoded(column, values) for column, values in zip(self._columns, columns, strict=True)]
        )

    def shown(self, features: Sequence[float]) -> dict[str, Value]:
        """The features of one applicant by name, as a person reads them; None where the model saw no value."""
        return {name: show(value) for name, show, value in zip(self._names, self._shown, features, strict=True)}


def _field(column: Column, on_unknown: OnUnknown) -> Any:
    of_value, options = _type(column, on_unknown)
    if column.may_be_missing:
        of_value, options["default"] = of_value | None, None
    title = column.name.replace("_", " ").capitalize()
    return (of_value, Field(alias=column.name, title=title, description=column.said, **options))


def _type(column: Column, on_unknown: OnUnknown) -> tuple[Any, dict[str, Any]]:
    """The Python type of a column's values and what pydantic's Field must know besides."""
    if isinstance(column, CategoryColumn):
        return _category_type(column, on_unknown), {}
    if not isinstance(column, NumberColumn):
        return bool, {}
    limits: dict[str, Any] = {
        "ge": column.minimum,
        "gt": column.exclusive_minimum,
        "le": column.maximum,
        "lt": column.exclusive_maximum,
    }
    if column.type == "number":
        return float, {**limits, "allow_inf_nan": False}
    # What a float64 holds exactly: larger integers would be rounded, and some are no float at all.
    whole = {name: int(limit) for name, limit in limits.items() if limit is not None}
    low = {} if {"ge", "gt"} & set(whole) else {"ge": -LARGEST_INTEGER}
    high = {} if {"le", "lt"} & set(whole) else {"le": LARGEST_INTEGER}
    return int, {**whole, **low, **high}


def _category_type(column: CategoryColumn, on_unknown: OnUnknown) -> Any:
    known = frozenset(column.known)

    def check(value: str) -> str:
        if value not in known:
            on_unknown(column.name, "refused" if column.unknown == "refuse" else "missing")
            if column.unknown == "refuse":
                raise PydanticCustomError("unknown_category", "Input should be {allowed}", {"allowed": column.allowed})
        return value

    listed: Any = {"enum": column.known} if column.unknown == "refuse" else {"examples": column.known}
    return Annotated[
        str, StringConstraints(max_length=_LONGEST_CATEGORY), AfterValidator(check), Field(json_schema_extra=listed)
    ]


def _encoder(column: Column) -> Callable[[Any], float]:
    if isinstance(column, CategoryColumn):
        codes, unknown = column.codes, float("nan")
        return lambda value: codes.get(value, unknown)
    return _optional_number if column.may_be_missing else float


def _optional_number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _encoded(column: Column, values: Sequence[Any]) -> NDArray[np.float64]:
    if isinstance(column, CategoryColumn):
        numbers = np.array([column.codes.get(value, np.nan) for value in values], dtype=np.float64)
        # NaN is the one value that differs from itself.
        unknown = {value for value in values if value is not None and value == value} - set(column.known)  # noqa: PLR0124
        if unknown and column.unknown == "refuse":
            raise ValueError(f"{column.name}: {min(unknown, key=str)!r} must be {column.allowed}")
        missing = any(value is None or value != value for value in values)  # noqa: PLR0124
    else:
        numbers = np.asarray(values, dtype=np.float64)  # None becomes NaN
        missing = bool(np.isnan(numbers).any())
    if missing and not column.may_be_missing:
        raise ValueError(f"{column.name}: a value is missing; it must be {column.allowed}")
    return numbers


def _shower(column: Column) -> Callable[[float], Value]:
    if isinstance(column, NumberColumn) and not column.may_be_missing:
        return int if column.type == "integer" else _same
    return lambda number: column.shown(number) if number == number else None  # noqa: PLR0124  # NaN is missing


def _same(number: float) -> Value:
    return number


def _shown_number(number: float) -> Value:
    return number if number == number else None  # noqa: PLR0124  # NaN is missing
