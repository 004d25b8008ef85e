"""Features that are computed from the applicant's columns, declared as one of a few operations, never as code."""

import math
from typing import Self

from pydantic import model_validator

from loan_default.schema.columns import Column, Declared, Name, Number, NumberColumn, Risky, Sentence, plain


class Ratio(Declared):
    """One column divided by another, which must always be positive."""

    numerator: Name
    denominator: Name

    @property
    def uses(self) -> tuple[str, ...]:
        """The columns it is computed from."""
        return (self.numerator, self.denominator)


class Difference(Declared):
    """One column minus another."""

    of: Name
    minus: Name

    @property
    def uses(self) -> tuple[str, ...]:
        """The columns it is computed from."""
        return (self.of, self.minus)


class Log(Declared):
    """The natural logarithm of a column, after adding a constant; what it is taken of must always be positive."""

    of: Name
    plus: Number = 0

    @property
    def uses(self) -> tuple[str, ...]:
        """The columns it is computed from."""
        return (self.of,)


class Derived(Risky):
    """A feature computed from columns by exactly one operation. It is missing when a column it uses is."""

    name: Name
    ratio: Ratio | None = None
    difference: Difference | None = None
    log: Log | None = None
    description: Sentence

    @model_validator(mode="after")
    def _one_operation(self) -> Self:
        if sum(operation is not None for operation in (self.ratio, self.difference, self.log)) != 1:
            raise ValueError("declare one of ratio, difference and log")
        return self

    @property
    def operation(self) -> Ratio | Difference | Log:
        """How it is computed."""
        operation = self.ratio or self.difference or self.log
        assert operation is not None  # noqa: S101  # the validator saw to it
        return operation

    def problem(self, columns: dict[str, Column]) -> str | None:
        """Why it cannot be computed from these columns; None when it can."""
        for used in self.operation.uses:
            if used not in columns:
                return f"derived feature {self.name!r} uses {used!r}, which is not a declared column"
            if not isinstance(columns[used], NumberColumn):
                return f"derived feature {self.name!r} computes with {used!r}, which is a {columns[used].type}"
        if self.ratio is not None and not _always_positive(columns[self.ratio.denominator], 0):
            return (
                f"derived feature {self.name!r} divides by {self.ratio.denominator!r}, which may be zero or less: "
                "declare exclusive_minimum: 0 for it"
            )
        if self.log is not None and not _always_positive(columns[self.log.of], self.log.plus):
            return (
                f"derived feature {self.name!r} takes the logarithm of {self.log.of!r} plus {plain(self.log.plus)}, "
                "which may be zero or less: declare a minimum for the column, or a plus"
            )
        return None


def _always_positive(column: Column, plus: float) -> bool:
    """Whether the limits of a column rule out that it is −plus or less."""
    if not isinstance(column, NumberColumn):
        return False
    bound, allowed = column.lowest
    return bound + plus > 0 or (math.isclose(bound + plus, 0, abs_tol=0) and not allowed)
