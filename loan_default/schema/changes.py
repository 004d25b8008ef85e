"""What a change from one declaration to another breaks for callers and their files.

A change breaks when something a caller may send today would be refused tomorrow, or would mean something else.
"""

from collections.abc import Iterator
from typing import NamedTuple

from loan_default.schema.columns import CategoryColumn, Column, NumberColumn
from loan_default.schema.declaration import Schema


class Change(NamedTuple):
    """One difference between two declarations, and whether it breaks callers."""

    column: str
    text: str
    breaks: bool

    def __str__(self) -> str:
        return f"{self.column}: {self.text}"


def changes(old: Schema, new: Schema) -> list[Change]:
    """Every difference that callers can notice, in the order of the old columns, then the new ones."""
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    found: list[Change] = []
    for name, column in before.items():
        if name not in after:
            found.append(Change(name, "is gone; callers who send it are refused", breaks=True))
        else:
            found += _between(column, after[name])
    for name, column in after.items():
        if name not in before:
            text = "is new, and may be left out" if column.may_be_missing else "is new and required"
            found.append(Change(name, text, breaks=not column.may_be_missing))
    found += _derived(old, new)
    return found


def breaking(old: Schema, new: Schema) -> list[Change]:
    """The changes that break callers."""
    return [change for change in changes(old, new) if change.breaks]


def _between(old: Column, new: Column) -> Iterator[Change]:
    if old.may_be_missing != new.may_be_missing:
        text = "may be missing now" if new.may_be_missing else "may not be missing any more"
        yield Change(new.name, text, breaks=old.may_be_missing)
    if old.header != new.header:
        yield Change(new.name, f"its header in files was {old.header!r} and is {new.header!r}", breaks=True)
    if old.type != new.type:
        widened = (old.type, new.type) == ("integer", "number")
        yield Change(new.name, f"was of type {old.type} and is of type {new.type}", breaks=not widened)
    if isinstance(old, NumberColumn) and isinstance(new, NumberColumn):
        yield from _numbers(old, new)
    if isinstance(old, CategoryColumn) and isinstance(new, CategoryColumn):
        yield from _categories(old, new)


def _numbers(old: NumberColumn, new: NumberColumn) -> Iterator[Change]:
    if old.unit != new.unit:
        yield Change(new.name, f"its unit was {old.unit!r} and is {new.unit!r}", breaks=True)
    if old.limits != new.limits:
        (low, with_low), (old_low, with_old_low) = new.lowest, old.lowest
        # Of two ends at the same place the one that is not allowed itself is the narrower one.
        narrowed = (low, not with_low) > (old_low, not with_old_low) or new.highest < old.highest
        text = f"was {old.allowed} and is {new.allowed}"
        yield Change(new.name, f"{text}, which is narrower" if narrowed else text, breaks=narrowed)


def _categories(old: CategoryColumn, new: CategoryColumn) -> Iterator[Change]:
    gone = [category for category in old.known if category not in new.known]
    more = [category for category in new.known if category not in old.known]
    if gone:
        text = f"knows {', '.join(map(repr, gone))} no more; they are {_fate(new)}"
        yield Change(new.name, text, breaks=new.unknown == "refuse")
    if more:
        yield Change(new.name, f"knows {', '.join(map(repr, more))} now", breaks=False)
    if old.unknown != new.unknown:
        yield Change(new.name, f"other values were {_fate(old)} and are {_fate(new)}", breaks=new.unknown == "refuse")


def _fate(column: CategoryColumn) -> str:
    return "refused" if column.unknown == "refuse" else "scored as missing"


def _derived(old: Schema, new: Schema) -> Iterator[Change]:
    before = {feature.name: feature.operation for feature in old.derived}
    after = {feature.name: feature.operation for feature in new.derived}
    for name, operation in before.items():
        if name not in after:
            yield Change(name, "is derived no more, and no answer shows it", breaks=False)
        elif operation != after[name]:
            yield Change(name, "is derived in another way", breaks=False)
    for name in after:
        if name not in before:
            yield Change(name, "is derived now, and answers show it", breaks=False)
