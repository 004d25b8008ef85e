"""One column that an applicant tells us, by type: number, integer, boolean or category.

A column also knows how its value becomes the number that the model sees: a number is itself, false and true are 0 and
1, a category is its place in the declared list, and a missing value is NaN, which XGBoost handles by itself.
"""

import operator
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StringConstraints,
    model_validator,
)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Sentence = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Risk = Literal["up", "down", "none"]
Value: TypeAlias = int | float | bool | str | None

# Sign, comparison that must hold (of numbers or of arrays), and bound.
Limit = tuple[str, Callable[[Any, Any], Any], float]

_LONGEST_LIST = 20


def _quoted(value: object) -> object:
    # YAML reads no, yes, on and off as booleans, and digits as numbers; a category is what stands in the file.
    if not isinstance(value, str):
        raise ValueError("write categories in quotes: YAML reads yes, no, on, off and numbers as something else")  # noqa: TRY004  # pydantic's way to refuse
    return value


Category = Annotated[str, StringConstraints(min_length=1, max_length=200), BeforeValidator(_quoted)]
Number = Annotated[float, Strict()]


class Declared(BaseModel):
    """Unknown keys are mistakes, and a declaration never changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Risky(Declared):
    """A direction of risk and why: `up` means that more of it never lowers the PD, `down` that it never raises it."""

    risk: Risk = "none"
    risk_reason: Sentence


class _Column(Risky):
    """What every column has.

    Attributes:
        name: in the API.
        header: in CSV files.
        known_at: `after` says that the value is known only after the loan was granted; such a column is refused.
        may_be_missing: whether a caller may leave it out (or send null), and a file may leave it empty.
    """

    name: Name
    header: Sentence
    description: Sentence
    known_at: Literal["application", "after"] = "application"
    may_be_missing: StrictBool = False

    @model_validator(mode="after")
    def _known_in_time(self) -> Self:
        if self.known_at == "after":
            raise ValueError(
                "known_at: after – no applicant has this yet, so the model must not see it; move the column to ignored"
            )
        return self

    @property
    def said(self) -> str:
        """The column in a sentence or two, for the API's documentation."""
        return self.description

    def _allowing_null(self, allowed: str) -> str:
        return f"{allowed}, or null" if self.may_be_missing else allowed


class NumberColumn(_Column):
    """A number or an integer, with its unit and limits."""

    type: Literal["number", "integer"]
    minimum: Number | None = None
    exclusive_minimum: Number | None = None
    maximum: Number | None = None
    exclusive_maximum: Number | None = None
    unit: Sentence
    example: Number

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.minimum is not None and self.exclusive_minimum is not None:
            raise ValueError("declare minimum or exclusive_minimum, not both")
        if self.maximum is not None and self.exclusive_maximum is not None:
            raise ValueError("declare maximum or exclusive_maximum, not both")
        numbers = [self.example, *(bound for _, _, bound in self.limits)]
        if self.type == "integer" and not all(float(number).is_integer() for number in numbers):
            raise ValueError("the limits and the example of an integer column must be whole numbers")
        if not all(holds(self.example, bound) for _, holds, bound in self.limits):
            raise ValueError(f"the example must be {self.allowed}")
        return self

    @property
    def limits(self) -> list[Limit]:
        """The declared limits."""
        declared = (
            ("≥", operator.ge, self.minimum),
            (">", operator.gt, self.exclusive_minimum),
            ("≤", operator.le, self.maximum),
            ("<", operator.lt, self.exclusive_maximum),
        )
        return [(sign, holds, bound) for sign, holds, bound in declared if bound is not None]

    @property
    def lowest(self) -> tuple[float, bool]:
        """The lower end of what is allowed, and whether it is itself allowed; −∞ without a limit."""
        if self.exclusive_minimum is not None:
            whole = self.type == "integer"
            return (self.exclusive_minimum + 1, True) if whole else (self.exclusive_minimum, False)
        return (float("-inf"), False) if self.minimum is None else (self.minimum, True)

    @property
    def highest(self) -> tuple[float, bool]:
        """The upper end of what is allowed, and whether it is itself allowed; ∞ without a limit."""
        if self.exclusive_maximum is not None:
            whole = self.type == "integer"
            return (self.exclusive_maximum - 1, True) if whole else (self.exclusive_maximum, False)
        return (float("inf"), False) if self.maximum is None else (self.maximum, True)

    @property
    def nominal(self) -> bool:
        """Whether it is a choice rather than an amount: an integer with two allowed values is a yes or no."""
        return self.type == "integer" and self.highest[0] - self.lowest[0] == 1

    @property
    def allowed(self) -> str:
        """The allowed values in words: `a number ≥ 0`, `an integer from 0 to 1`."""
        kind = "an integer" if self.type == "integer" else "a number"
        if self.minimum is not None and self.maximum is not None:
            return self._allowing_null(f"{kind} from {plain(self.minimum)} to {plain(self.maximum)}")
        limits = [f"{sign} {plain(bound)}" for sign, _, bound in self.limits]
        return self._allowing_null(" ".join([kind, " and ".join(limits)]).rstrip())

    @property
    def said(self) -> str:
        """The column in a sentence or two, for the API's documentation."""
        return f"{self.description} Unit: {self.unit}."

    @property
    def shown_example(self) -> Value:
        """The example as a caller would send it."""
        return self.shown(self.example)

    @property
    def words(self) -> tuple[str, ...]:
        """What the numbers 0, 1, … of the feature matrix stand for; none for a number that stands for itself."""
        return ()

    def shown(self, number: float) -> Value:
        """What a number of the feature matrix stands for."""
        return int(number) if self.type == "integer" else number


class BooleanColumn(_Column):
    """True or false; in CSV files also yes and no, or 1 and 0, in any letter case."""

    type: Literal["boolean"]
    example: StrictBool

    @property
    def nominal(self) -> bool:
        """Whether it is a choice rather than an amount."""
        return True

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        return self._allowing_null("true or false")

    @property
    def shown_example(self) -> Value:
        """The example as a caller would send it."""
        return self.example

    @property
    def words(self) -> tuple[str, ...]:
        """What the numbers 0, 1, … of the feature matrix stand for; none for a number that stands for itself."""
        return ("no", "yes")

    def shown(self, number: float) -> Value:
        """What a number of the feature matrix stands for."""
        return bool(number)


class CategoryColumn(_Column):
    """One of a list of words.

    Attributes:
        categories: every allowed value, as it stands in files and requests.
        unknown: what becomes of any other value: `refuse` it, or score it as `missing`. Both are counted.
        never_seen: set by training, not by hand: categories no training row has. The model has learnt nothing about
            them, and XGBoost would score them by accident, so they count as unknown.
    """

    type: Literal["category"]
    categories: Annotated[tuple[Category, ...], Field(min_length=2, max_length=1000)]
    unknown: Literal["refuse", "missing"] = "refuse"
    never_seen: tuple[str, ...] = ()
    example: Category

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        for category in self.categories:
            if category != category.strip():
                raise ValueError(f"the category {category!r} has blanks at its ends; files are read without them")
        require_unique("category", self.categories)
        if self.risk != "none":
            raise ValueError("categories have no order, so risk must be none")
        if not set(self.never_seen) <= set(self.categories):
            raise ValueError("never_seen must be some of the categories")
        if self.example not in self.known:
            raise ValueError(f"the example must be {self.allowed}")
        return self

    @property
    def nominal(self) -> bool:
        """Whether it is a choice rather than an amount."""
        return True

    @property
    def known(self) -> list[str]:
        """The categories that the model has seen, in the declared order."""
        return [category for category in self.categories if category not in self.never_seen]

    @property
    def codes(self) -> dict[str, float]:
        """The number that stands for each known category."""
        return {category: float(i) for i, category in enumerate(self.categories) if category not in self.never_seen}

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        listed = ", ".join(repr(category) for category in self.known[:_LONGEST_LIST])
        more = len(self.known) - _LONGEST_LIST
        return self._allowing_null(f"one of {listed}" + (f" and {more} more" if more > 0 else ""))

    @property
    def said(self) -> str:
        """The column in a sentence or two, for the API's documentation."""
        if self.unknown == "refuse":
            return self.description
        return f"{self.description} Any other value than {self.allowed} is scored as a missing one."

    @property
    def shown_example(self) -> Value:
        """The example as a caller would send it."""
        return self.example

    @property
    def words(self) -> tuple[str, ...]:
        """What the numbers 0, 1, … of the feature matrix stand for; none for a number that stands for itself."""
        return self.categories

    def shown(self, number: float) -> Value:
        """What a number of the feature matrix stands for."""
        return self.categories[int(number)]


Column: TypeAlias = NumberColumn | BooleanColumn | CategoryColumn


def plain(number: float) -> str:
    """A number as a person writes it: without `.0`."""
    return str(int(number)) if float(number).is_integer() else repr(number)


def require_unique(what: str, values: Iterable[str]) -> None:
    """Raise ValueError when one of `values` stands there twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"the {what} {value!r} is declared twice")
        seen.add(value)
