"""The whole declaration: the applicant's columns, what is derived from them, the target, and every other column."""

import codecs
import hashlib
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from loan_default.schema.columns import CategoryColumn, Column, Declared, Name, Number, Risk, Sentence, Value, plain
from loan_default.schema.derived import Derived

Location: TypeAlias = tuple[str | int, ...]
Share = Annotated[float, Field(ge=0, le=1)]

_MONOTONE: dict[Risk, int] = {"up": 1, "down": -1, "none": 0}


def _label(value: object) -> object:
    if not isinstance(value, (bool, int, float, str)) or not str(value).strip():
        raise ValueError("must be a word, a number, or true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value.strip() if isinstance(value, str) else value


Label = Annotated[Any, AfterValidator(_label)]


class Target(Declared):
    """What the model learns to predict.

    Attributes:
        positive: the value that means "defaulted".
        negative: the value that means "repaid"; when it is not declared, the one other value in the file.
    """

    header: Sentence
    positive: Label
    negative: Label | None = None
    description: Sentence

    @model_validator(mode="after")
    def _different(self) -> Self:
        if self.positive == self.negative:
            raise ValueError("positive and negative must be different values")
        return self


class _Grouped(Declared):
    """Groups for reports.

    Attributes:
        edges: where a number is cut into groups, each edge belonging to the group above it; without edges every value
            is a group.
    """

    edges: tuple[Number, ...] = ()

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must rise")
        return self

    @property
    def group_labels(self) -> list[str]:
        """The groups that the edges make, from the lowest: `under 25`, `25 to under 40`, `40 and over`."""
        edges = [plain(edge) for edge in self.edges]
        between = [f"{low} to under {high}" for low, high in pairwise(edges)]
        return [f"under {edges[0]}", *between, f"{edges[-1]} and over"] if edges else []


class AuditColumn(_Grouped):
    """A column that reports are sliced by and the model never sees, such as age or sex."""

    name: Name
    header: Sentence
    description: Sentence


class Segment(_Grouped):
    """A column of the applicant that reports are sliced by too."""

    column: Name


class IgnoredColumn(Declared):
    """A column of the file that is left alone, and why."""

    header: str
    reason: Sentence
    known_at: Literal["application", "after"] = "application"


def _codec(name: str) -> str:
    try:
        "".encode(name)  # refuses codecs that are no encodings of text, too
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"there is no encoding {name!r}; try utf-8 or cp1252") from None


class CsvFormat(Declared):
    """How the lender's CSV files are written. An empty field is always a missing value."""

    separator: Annotated[str, StringConstraints(pattern=r"^[,;|\t]$")] = ","
    decimal: Literal[".", ","] = "."
    encoding: Annotated[str, AfterValidator(_codec)] = "utf-8"
    missing_values: tuple[Sentence, ...] = ()

    @model_validator(mode="after")
    def _different(self) -> Self:
        if self.separator == self.decimal:
            raise ValueError("separator and decimal must differ")
        return self


class StageGates(Declared):
    """What a model must reach for one stage: floors, and ceilings for brier and calibration_error."""

    accuracy: Share | None = None
    recall: Share | None = None
    f1: Share | None = None
    roc_auc: Share | None = None
    pr_auc: Share | None = None
    brier: Share | None = None
    calibration_error: Share | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if all(limit is None for _, limit in self):
            raise ValueError("declare at least one gate")
        return self


class Gates(Declared):
    """The gates of both stages. What is not named is not gated."""

    production: StageGates
    staging: StageGates


class Schema(Declared):
    """The whole declaration. Order matters: it is the order of the columns in every matrix."""

    name: Sentence
    csv: CsvFormat = CsvFormat()
    columns: Annotated[
        tuple[Annotated[Column, Field(discriminator="type")], ...],
        Field(min_length=1),
    ]
    derived: tuple[Derived, ...] = ()
    target: Target
    id: Sentence | None = None
    audit: tuple[AuditColumn, ...] = ()
    segments: tuple[Segment, ...] = ()
    ignored: tuple[IgnoredColumn, ...] = ()
    gates: Gates | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [*self._repeated(), *self._underivable(), *self._unsliceable()]
        if problems:
            text = "; ".join(message for _, message in problems)
            raise PydanticCustomError("inconsistent", "{text}", {"text": text, "problems": problems})
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
    def feature_types(self) -> list[str]:
        """XGBoost's type of each feature: `c` for categories, `q` for everything that has an order."""
        return ["c" if isinstance(column, CategoryColumn) else "q" for column in self.columns] + ["q"] * len(
            self.derived
        )

    @property
    def words(self) -> dict[str, list[str]]:
        """What the values 0, 1, … of the feature matrix stand for, by column; numbers are not in it."""
        return {column.name: list(column.words) for column in self.columns if column.words}

    @property
    def monotone_constraints(self) -> tuple[int, ...]:
        """XGBoost's constraint for each feature: 1, -1 or 0."""
        return tuple(_MONOTONE[item.risk] for item in (*self.columns, *self.derived))

    @property
    def sliced_by(self) -> tuple[AuditColumn, ...]:
        """What reports are sliced by: the segments, then the audit columns."""
        columns = {column.name: column for column in self.columns}
        segments = (
            AuditColumn(
                name=each.column,
                header=columns[each.column].header,
                description=columns[each.column].description,
                edges=each.edges,
            )
            for each in self.segments
        )
        return (*segments, *self.audit)

    @property
    def headers(self) -> set[str]:
        """Every header that the declaration mentions, features or not."""
        return {header for _, header in self._headers()}

    @property
    def example(self) -> dict[str, Value]:
        """One applicant that passes validation, for documentation and smoke tests."""
        return {column.name: column.shown_example for column in self.columns}

    @property
    def sha256(self) -> str:
        """The version of the declaration: a checksum of everything declared, whatever training wrote into it."""
        return hashlib.sha256(self.as_declared().model_dump_json().encode("utf-8")).hexdigest()

    def as_declared(self) -> "Schema":
        """The declaration without what training wrote into it, to read data by that were not all learnt from."""
        columns = (
            column.model_copy(update={"never_seen": ()}) if isinstance(column, CategoryColumn) else column
            for column in self.columns
        )
        return self.model_copy(update={"columns": tuple(columns)})

    def _headers(self) -> Iterator[tuple[Location, str]]:
        for part in ("columns", "audit", "ignored"):
            for i, item in enumerate(getattr(self, part)):
                yield (part, i, "header"), item.header
        yield ("target", "header"), self.target.header
        if self.id is not None:
            yield ("id",), self.id

    def _names(self) -> Iterator[tuple[Location, str]]:
        for part in ("columns", "derived", "audit"):
            for i, item in enumerate(getattr(self, part)):
                yield (part, i, "name"), item.name

    def _repeated(self) -> Iterator[tuple[Location, str]]:
        for what, declared in (("name", self._names()), ("header", self._headers())):
            seen: set[str] = set()
            for location, value in declared:
                if value in seen:
                    yield location, f"the {what} {value!r} is declared twice"
                seen.add(value)

    def _unsliceable(self) -> Iterator[tuple[Location, str]]:
        names = self.column_names
        for i, segment in enumerate(self.segments):
            if segment.column not in names:
                yield ("segments", i, "column"), f"the segment {segment.column!r} is not a declared column"
            if segment.column in {each.column for each in self.segments[:i]}:
                yield ("segments", i, "column"), f"the segment {segment.column!r} is declared twice"

    def _underivable(self) -> Iterator[tuple[Location, str]]:
        columns = {column.name: column for column in self.columns}
        for i, feature in enumerate(self.derived):
            problem = feature.problem(columns)
            if problem is not None:
                yield ("derived", i), problem
