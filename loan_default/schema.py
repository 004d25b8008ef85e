"""The applicant's columns as data: reads a declaration and builds from it what the rest needs.

A declaration (`data/Default_Fin.schema.yaml`) says for each column its name in the API, its header in the CSV, type,
limits, unit and direction of risk. The feature matrix (`features.py`), request models, training-data checks and
XGBoost's monotone constraints follow from it; no other module names a column.
"""

import operator
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, create_model, model_validator

from loan_default.errors import SchemaError

DEFAULT_SCHEMA = Path(__file__).resolve().parent.parent / "data" / "Default_Fin.schema.yaml"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Sentence = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Risk = Literal["up", "down", "none"]

Limit = tuple[str, Callable[[Any, Any], Any], float]

_MONOTONE: dict[Risk, int] = {"up": 1, "down": -1, "none": 0}
_TYPES = {"integer": int, "number": float}


class _Declared(BaseModel):
    """Unknown keys are mistakes, and a declaration never changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Risky(_Declared):
    """A direction of risk and why: `up` means that more of it never lowers the PD, `down` that it never raises it."""

    risk: Risk = "none"
    risk_reason: Sentence


class Column(_Risky):
    """One thing an applicant tells us."""

    name: Name
    header: Sentence
    type: Literal["integer", "number"]
    minimum: float | None = None
    exclusive_minimum: float | None = None
    maximum: float | None = None
    unit: Sentence
    description: Sentence
    example: float

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.minimum is not None and self.exclusive_minimum is not None:
            raise ValueError("declare minimum or exclusive_minimum, not both")
        numbers = (self.minimum, self.exclusive_minimum, self.maximum, self.example)
        if self.type == "integer" and any(number is not None and not number.is_integer() for number in numbers):
            raise ValueError("the limits and the example of an integer column must be whole numbers")
        if not all(holds(self.example, bound) for _, holds, bound in self.limits):
            raise ValueError(f"the example must be {self.allowed}")
        return self

    @property
    def limits(self) -> list[Limit]:
        """The declared limits: sign, comparison that must hold (numbers or arrays of them), and bound."""
        declared = (
            ("≥", operator.ge, self.minimum),
            (">", operator.gt, self.exclusive_minimum),
            ("≤", operator.le, self.maximum),
        )
        return [(sign, holds, bound) for sign, holds, bound in declared if bound is not None]

    @property
    def always_positive(self) -> bool:
        """Whether the limits rule out zero and less."""
        return (self.exclusive_minimum is not None and self.exclusive_minimum >= 0) or (self.minimum or 0) > 0

    @property
    def allowed(self) -> str:
        """The allowed values in words: `a number ≥ 0`, `an integer from 0 to 1`."""
        kind = "an integer" if self.type == "integer" else "a number"
        if self.minimum is not None and self.maximum is not None:
            return f"{kind} from {_plain(self.minimum)} to {_plain(self.maximum)}"
        limits = [f"{sign} {_plain(bound)}" for sign, _, bound in self.limits]
        return " ".join([kind, " and ".join(limits)]).rstrip()


class Ratio(_Declared):
    """One column divided by another."""

    numerator: Name
    denominator: Name


class Derived(_Risky):
    """A feature computed from columns; declared, never evaluated code."""

    name: Name
    ratio: Ratio
    description: Sentence


class Target(_Declared):
    """What the model learns to predict: the header in the CSV and the value that means "defaulted"."""

    header: Sentence
    positive: int = 1
    description: Sentence


class Schema(_Declared):
    """The whole declaration. Order matters: it is the order of the columns in every matrix."""

    name: Annotated[str, StringConstraints(min_length=1)]
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    derived: tuple[Derived, ...] = ()
    target: Target
    id: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _unique("name", self.feature_names)
        _unique("header", [column.header for column in self.columns] + [self.target.header])
        by_name = {column.name: column for column in self.columns}
        for feature in self.derived:
            for used in (feature.ratio.numerator, feature.ratio.denominator):
                if used not in by_name:
                    raise ValueError(f"derived feature {feature.name!r} uses {used!r}, which is not a declared column")
            if not by_name[feature.ratio.denominator].always_positive:
                raise ValueError(
                    f"derived feature {feature.name!r} divides by {feature.ratio.denominator!r}, which may be zero or "
                    "less: declare exclusive_minimum: 0 for it"
                )
        return self

    @property
    def column_names(self) -> list[str]:
        """The applicant's columns by their API names, in order."""
        return [column.name for column in self.columns]

    @property
    def derived_names(self) -> list[str]:
        """The derived features, in order."""
        return [feature.name for feature in self.derived]

    @property
    def feature_names(self) -> list[str]:
        """What the model sees, in order: the columns, then the derived features."""
        return self.column_names + self.derived_names

    @property
    def monotone_constraints(self) -> tuple[int, ...]:
        """XGBoost's constraint for each feature: 1, -1 or 0."""
        return tuple(_MONOTONE[item.risk] for item in (*self.columns, *self.derived))

    @property
    def example(self) -> dict[str, int | float]:
        """One applicant that passes validation, for documentation and smoke tests."""
        return {column.name: _TYPES[column.type](column.example) for column in self.columns}

    def applicant_model(self) -> type[BaseModel]:
        """The request model: strict types, declared limits, no unknown fields, no NaN or infinity."""
        # Aliases, because a column may well be called `schema` or `json`, which a pydantic model has uses for itself.
        fields: dict[str, Any] = {
            f"column_{i}": (_TYPES[column.type], _field(column)) for i, column in enumerate(self.columns)
        }
        config = ConfigDict(
            extra="forbid", strict=True, hide_input_in_errors=True, json_schema_extra={"example": dict(self.example)}
        )
        return create_model("Applicant", __config__=config, __doc__="One loan applicant.", **fields)


def _field(column: Column) -> Any:
    limits: dict[str, Any] = {"ge": column.minimum, "gt": column.exclusive_minimum, "le": column.maximum}
    if column.type == "number":
        limits["allow_inf_nan"] = False
    else:
        limits = {name: None if limit is None else int(limit) for name, limit in limits.items()}
    title = column.name.replace("_", " ").capitalize()
    return Field(alias=column.name, title=title, description=f"{column.description} Unit: {column.unit}.", **limits)


def _plain(number: float) -> str:
    return str(int(number)) if number.is_integer() else repr(number)


def _unique(what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"the {what} {value!r} is declared twice")
        seen.add(value)


def parse_schema(text: str, origin: str) -> Schema:
    """Read a declaration from YAML (or JSON, which is YAML too). `origin` names it in errors.

    Raises:
        SchemaError: not YAML, or not a valid declaration; says which key is wrong and why.
    """
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a date that does not exist is a plain ValueError
        raise SchemaError(f"{origin} is not valid YAML: {' '.join(str(error).split())}") from error
    try:
        return Schema.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{_key(e['loc'])}: {e['msg']}" for e in error.errors())
        raise SchemaError(f"{origin} is not a valid declaration of columns: {problems}") from error


def load_schema(path: Path) -> Schema:
    """Read the declaration in the file `path`; see `parse_schema`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"Cannot read the declaration of columns {path}: {error}") from error
    return parse_schema(text, str(path))


def _key(location: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in location) or "the whole file"
