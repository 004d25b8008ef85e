"""Turns a training CSV into checked numbers: every value is held against its declaration before anything is learnt.

All problems are reported in one go, each with the column, how many rows it has, and examples by line number.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loan_default.errors import DataError
from loan_default.schema import Column, Schema
from loan_default.schema.columns import CategoryColumn, NumberColumn
from loan_default.schema.declaration import AuditColumn, CsvFormat
from loan_default.schema.words import FALSE_WORDS, TRUE_WORDS, allowed_in_files
from loan_default.training.csv_file import FIRST_LINE, listed, read_text_table

_EXAMPLES = 3
MISSING = "missing"

Texts: TypeAlias = "pd.Series[str]"


@dataclass(frozen=True)
class Dataset:
    """Checked training data.

    Attributes:
        applicants: (n, number of columns) in the schema's order, as `Encoder.row` has them: NaN is a missing value.
        target: (n,) 1 for a default, 0 otherwise.
        sha256: checksum of the file it was read from.
        audit: for each segment and audit column by name, (n,), the group that a row is in.
        ids: (n,) as text, when the schema declares an id and the file has it.
        undeclared: headers of the file that the schema does not mention.
    """

    applicants: NDArray[np.float64]
    target: NDArray[np.int64]
    sha256: str
    audit: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    ids: NDArray[np.object_] | None = None
    undeclared: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.target)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Dataset":
        """Some rows: a mask, (n,), or row numbers."""
        return Dataset(
            self.applicants[chosen],
            self.target[chosen],
            self.sha256,
            {name: groups[chosen] for name, groups in self.audit.items()},
            None if self.ids is None else self.ids[chosen],
            self.undeclared,
        )


def read_dataset(path: Path, schema: Schema) -> Dataset:
    """Read the CSV at `path` as `schema` declares it.

    Raises:
        DataError: one sentence that says everything that is wrong with the file.
    """
    table = read_text_table(path, schema.csv)
    rows, problems = table.rows, _Problems(schema.csv)
    present = [str(header) for header in rows.columns]
    _require_headers(present, schema, problems)
    if rows.empty and not problems.found:
        raise DataError(f"{path} has a header but no rows; training needs applicants of both classes.")
    columns = [_encode(rows[c.header], c, problems) for c in schema.columns if c.header in present]
    target = np.empty(0, dtype=np.int64)
    if schema.target.header in present:
        target = _target(rows[schema.target.header], schema, problems)
    audit = {a.name: _groups(rows[a.header], a, problems) for a in schema.sliced_by if a.header in present}
    if problems.found:
        raise DataError(f"{path} cannot be trained on: {'; '.join(problems.found)}.")
    return Dataset(
        np.column_stack(columns),
        target,
        table.sha256,
        audit,
        rows[schema.id].to_numpy(dtype=object) if schema.id in present else None,
        tuple(header for header in present if header not in schema.headers),
    )


class _Problems:
    """What is wrong with a file, sentence by sentence."""

    def __init__(self, written: CsvFormat) -> None:
        self.found: list[str] = []
        self.written = written

    def missing(self, texts: Texts) -> NDArray[np.bool_]:
        """Where a value is missing, (n,)."""
        return np.asarray(texts.isin(("", *self.written.missing_values)))

    def numbers(self, texts: Texts) -> NDArray[np.float64]:
        """The texts as numbers, (n,); NaN where one is not a finite number."""
        if self.written.decimal == ",":
            # A point would be one between thousands, and 1.234 is not to become a little more than one.
            texts = texts.where(~texts.str.contains(".", regex=False), "").str.replace(",", ".", regex=False)
        values = np.array(pd.to_numeric(texts, errors="coerce"), dtype=np.float64)
        return np.where(np.isfinite(values), values, np.nan)

    def report(self, wrong: NDArray[np.bool_], texts: Texts, rule: str) -> None:
        """Note the rows that break a rule, if there are any."""
        if not wrong.any():
            return
        different = texts[wrong].drop_duplicates()[:_EXAMPLES]
        examples = ", ".join(f"{text!r} in line {row + FIRST_LINE}" for row, text in different.items())  # type: ignore[operator]  # the index counts rows
        self.found.append(f"{rule}, but {int(wrong.sum()):,} of {len(texts):,} rows are not ({examples})")


def _require_headers(present: list[str], schema: Schema, problems: _Problems) -> None:
    needed = [item.header for item in (*schema.columns, schema.target, *schema.audit)]
    lacking = [header for header in needed if header not in present]
    if not lacking:
        return
    text = f"it lacks the column{'s' if len(lacking) > 1 else ''} {listed(lacking)}; it has {listed(present)}"
    other = [mark for mark in ";|\t," if len(present) == 1 and mark in present[0]]
    if other:
        text += f" (if it is separated otherwise, declare csv: {{separator: {json.dumps(other[0])}}})"
    problems.found.append(text)


def _encode(texts: Texts, column: Column, problems: _Problems) -> NDArray[np.float64]:
    missing = problems.missing(texts)
    values = np.where(missing, np.nan, _values(texts, column, problems))
    wrong = missing & (not column.may_be_missing)
    if isinstance(column, CategoryColumn):
        wrong |= ~missing & np.isnan(values) & (column.unknown == "refuse")
    else:
        wrong |= ~missing & np.isnan(values)
    if isinstance(column, NumberColumn):
        if column.type == "integer":
            wrong |= ~missing & (values != np.floor(values))
        for _, holds, bound in column.limits:
            wrong |= ~missing & ~holds(values, bound)
    problems.report(wrong, texts, f"{column.header!r} must be {allowed_in_files(column)}")
    return values


def _values(texts: Texts, column: Column, problems: _Problems) -> NDArray[np.float64]:
    """Each text as the number that stands for it; NaN where none does."""
    if isinstance(column, CategoryColumn):
        return np.array(texts.map(column.codes), dtype=np.float64)
    if isinstance(column, NumberColumn):
        return problems.numbers(texts)
    words = texts.str.lower()
    return np.where(words.isin(TRUE_WORDS), 1.0, np.where(words.isin(FALSE_WORDS), 0.0, np.nan))


def _target(texts: Texts, schema: Schema, problems: _Problems) -> NDArray[np.int64]:
    header, declared = schema.target.header, schema.target
    positive = _equal(texts, declared.positive, problems)
    if declared.negative is not None:
        wrong = ~positive & ~_equal(texts, declared.negative, problems)
        rule = f"{declared.negative} or {declared.positive}"
    elif isinstance(declared.positive, bool):
        wrong, rule = ~positive & ~_equal(texts, not declared.positive, problems), "true or false"
    else:
        wrong, rule = _other_labels(texts, positive, schema, problems)
    problems.report(wrong, texts, f"{header!r} must be {rule}")
    if len(texts) and not wrong.any() and len(np.unique(positive)) < 2:
        kind = "a default" if positive[0] else "no default"
        problems.found.append(f"every row of {header!r} is {kind}, and a model needs both")
    return positive.astype(np.int64)


def _other_labels(
    texts: Texts, positive: NDArray[np.bool_], schema: Schema, problems: _Problems
) -> tuple[NDArray[np.bool_], str]:
    """Where an undeclared negative label cannot be meant, (n,), and what must be there; notes several such labels."""
    missing, rule = problems.missing(texts), "known for every row"
    repeated = np.asarray(texts.duplicated())
    if not isinstance(schema.target.positive, str):  # 0 and 0.0 are one label
        numbers = pd.Series(problems.numbers(texts))
        missing, rule, repeated = np.asarray(numbers.isna()), "a number", np.asarray(numbers.duplicated())
    others = texts[~positive & ~missing & ~repeated]
    if len(others) > 1:
        more = ", …" if len(others) > _EXAMPLES else ""
        problems.found.append(
            f"{schema.target.header!r} has {len(others)} values besides {schema.target.positive!r} "
            f"({listed(others[:_EXAMPLES].tolist())}{more}): declare which one is target.negative, and leave out the "
            "rows with any other"
        )
    return missing, rule


def _equal(texts: Texts, label: Any, problems: _Problems) -> NDArray[np.bool_]:
    """Where a text says the same as a label of the declaration, (n,)."""
    if isinstance(label, bool):
        return np.asarray(texts.str.lower().isin(TRUE_WORDS if label else FALSE_WORDS))
    if isinstance(label, str):
        return np.asarray(texts == label)
    return np.asarray(problems.numbers(texts) == label)


def _groups(texts: Texts, column: AuditColumn, problems: _Problems) -> NDArray[np.object_]:
    missing = problems.missing(texts)
    groups = texts.to_numpy(dtype=object)
    if column.edges:
        values = problems.numbers(texts)
        problems.report(~missing & np.isnan(values), texts, f"{column.header!r} has edges, so it must be a number")
        labels = np.array(column.group_labels, dtype=object)
        groups = labels[np.searchsorted(column.edges, values, side="right").clip(max=len(column.edges))]
    return np.where(missing, MISSING, groups)
