"""Infers a first declaration from a CSV file, to be read and edited by a person; `draft.py` writes it down.

It guesses what can be seen in the values – types, categories, gaps, ids – and by their names the target and the columns
that many laws keep out of a credit decision. Meaning, units and directions of risk nobody can see in a file; those
lines say so. Limits are not taken from the data beyond "never negative": the largest value so far is no law.
"""

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loan_default.errors import DataError
from loan_default.schema.columns import CategoryColumn, NumberColumn
from loan_default.schema.declaration import CsvFormat
from loan_default.training.checks import REFUSED_AUC, separation
from loan_default.training.csv_file import listed, read_text_table
from loan_default.training.data import Texts
from loan_default.training.draft import Draft, slug

_SEPARATORS = ",;\t|"
_MISSING = ("NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A", "?")
_MISSING_AMONG_NUMBERS = ("-", ".", "none", "None", "missing", "unknown", "")
_TRUE_FALSE = ({"true", "false"}, {"t", "f"})
_MOST_CATEGORIES = 50
_ROWS_A_CATEGORY = 20
_MOST_INTEGERS = 100

_TARGET = re.compile(
    r"default|bad|delinq|charge.?off|target|label|outcome|status|class|risk|repaid|paid", re.IGNORECASE
)
_POSITIVE = re.compile(r"default|bad|yes|true|charge|delinq|late|loss|^y$|^t$", re.IGNORECASE)
_ID_WORDS = frozenset({"id", "index", "key", "row", "rownames", "nr", "no", "number"})
_AUDIT_WORDS = frozenset(
    {"age", "birth", "birthday", "disability", "disabled", "dob", "ethnic", "ethnicity", "foreign", "gender", "marital"}
    | {"married", "nationality", "pregnant", "race", "religion", "sex"}
)
_DATE = re.compile(r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|[A-Z][a-z]{2}-\d{2,4})")


def infer(path: Path, target: str | None = None) -> str:
    """The text of a first declaration for the CSV file at `path`; `target` names the target's header.

    Raises:
        DataError: the file cannot be read, or nothing in it can be the target.
    """
    written = _format(path)
    rows = read_text_table(path, written).rows
    if rows.empty:
        raise DataError(f"{path} has a header but no rows; a declaration is inferred from values.")
    written = written.model_copy(update={"missing_values": _missing_values(rows, written)})
    rows = rows.where(~rows.isin(written.missing_values), "")
    header = _find_target(rows, target, path)
    labels = _labels(rows[header])
    kept = rows[header] != ""
    defaults = np.asarray(rows[header][kept] == labels[0]).astype(np.int64)
    draft = Draft(path.name, written, header, labels, defaults)
    for other in (str(column) for column in rows.columns if column != header):
        _place(draft, other, rows[other][kept], defaults, written)
    if not draft.columns:
        raise DataError(f"{path} has no column to learn from beside the target {header!r}.")
    return draft.text()


def _format(path: Path) -> CsvFormat:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error}") from error
    try:
        text, encoding = content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = content.decode("cp1252", errors="replace"), "cp1252"
    first, *others = text.splitlines() or [""]
    widths = {mark: len(next(csv.reader(io.StringIO(first), delimiter=mark), [])) for mark in _SEPARATORS}
    separator = max(widths, key=lambda mark: widths[mark])
    fields = [field for line in others[:1000] for field in line.split(separator)] if separator != "," else []
    comma = any(re.fullmatch(r'"?-?\d+,\d+"?', field) for field in fields)
    return CsvFormat(separator=separator, decimal="," if comma else ".", encoding=encoding)


def _missing_values(rows: pd.DataFrame, written: CsvFormat) -> tuple[str, ...]:
    found = {mark for mark in _MISSING if (rows == mark).to_numpy().any()}
    for header in rows.columns:
        texts = rows[header][~rows[header].isin((*found, ""))]
        numbers = ~np.isnan(_numbers(texts, written))
        others = set(texts[~numbers])
        if numbers.sum() > 0.5 * len(texts) and others <= set(_MISSING_AMONG_NUMBERS):
            found |= others
    return tuple(sorted(found))


def _numbers(texts: Texts, written: CsvFormat) -> Any:
    if written.decimal == ",":
        texts = texts.where(~texts.str.contains(".", regex=False), "x").str.replace(",", ".", regex=False)
    values = np.array(pd.to_numeric(texts, errors="coerce"), dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _find_target(rows: pd.DataFrame, named: str | None, path: Path) -> str:
    headers = [str(header) for header in rows.columns]
    if named is not None:
        if named not in headers:
            raise DataError(f"{path} has no column {named!r}; it has {listed(headers)}.")
        if _different(rows[named]) < 2:
            raise DataError(f"The column {named!r} has one value only, and a model needs both outcomes.")
        return named
    candidates = [header for header in headers if header and _different(rows[header]) == 2]
    if not candidates:
        raise DataError(f"{path} has no column with two values that could be the target; name it with --target.")
    telling = [header for header in candidates if _TARGET.search(header)]
    return (telling or candidates)[-1]


def _different(texts: Texts) -> int:
    return int(texts[texts != ""].nunique())


def _labels(texts: Texts) -> tuple[str, str | None]:
    """The value that means default, and the other one when there is just one."""
    counts = texts[texts != ""].value_counts()
    telling = [str(value) for value in counts.index if _POSITIVE.search(str(value))]
    if set(counts.index) == {"0", "1"}:
        telling = ["1"]
    positive = telling[0] if len(telling) == 1 else str(counts.index[-1])
    others = [str(value) for value in counts.index if value != positive]
    return positive, others[0] if len(others) == 1 else None


def _place(draft: Draft, header: str, texts: Texts, defaults: Any, written: CsvFormat) -> None:
    """Put one column where it belongs."""
    words = slug(header).split("_")
    present = texts[texts != ""]
    numbers = _numbers(present, written)
    different = present.nunique()
    numeric = len(present) > 0 and not np.isnan(numbers).any()
    distinct_ids = different == len(texts) and (not numeric or bool((numbers == np.floor(numbers)).all()))
    if not header:
        draft.ignored.append({"header": header, "reason": "It has no name."})
    elif different < 2 and len(present) == len(texts):
        draft.ignored.append({"header": header, "reason": "It is the same in every row."})
    elif different == 0:
        draft.ignored.append({"header": header, "reason": "It is empty in every row."})
    elif distinct_ids and (words[-1] in _ID_WORDS or (numeric and bool((np.diff(numbers) == 1).all()))):
        if draft.id is None:
            draft.id = header
        else:
            draft.ignored.append({"header": header, "reason": "It identifies the row."})
    elif _AUDIT_WORDS & set(words):
        draft.audit.append(_audit(header, numbers if numeric and different > 10 else None))
    else:
        column = _column(header, texts, numbers if numeric else None, written)
        if isinstance(column, str):
            draft.ignored.append({"header": header, "reason": column})
        else:
            _add_unless_leak(draft, column, texts, defaults, written)


def _audit(header: str, numbers: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": header, "header": header, "description": f"{header}, for reports only."}
    if numbers is not None:
        quartiles = np.unique(np.quantile(numbers, (0.25, 0.5, 0.75)).round()).tolist()
        entry["edges"] = [25, 35, 45, 55] if "age" in slug(header).split("_") else [_tidy(edge) for edge in quartiles]
    return entry


def _column(header: str, texts: Texts, numbers: Any, written: CsvFormat) -> dict[str, Any] | str:
    """The entry of a column to learn from, or why it is none."""
    present = texts[texts != ""]
    entry: dict[str, Any] = {"name": header, "header": header}
    gaps = {"may_be_missing": True} if len(present) < len(texts) else {}
    undecided = {"risk": "none", "risk_reason": "Not decided yet. The data decide."}
    described = {"description": f"{header}, to be described."}
    if numbers is not None:
        # An amount that happens to be whole so far is no integer: callers would be refused cents.
        whole = present.nunique() <= _MOST_INTEGERS and not present.str.contains("[.,eE]").any()
        low = {"minimum": 0} if numbers.min() >= 0 else {}
        high = {"maximum": 1} if whole and set(numbers) == {0.0, 1.0} else {}
        example = _tidy(float(np.sort(numbers)[len(numbers) // 2]))
        kind = {"type": "integer" if whole else "number", **low, **high, "unit": "not stated"}
        return {**entry, **kind, **gaps, **described, "example": example, **undecided}
    words = {word.lower() for word in present.unique()}
    if words in _TRUE_FALSE:
        return {**entry, "type": "boolean", **gaps, **described, "example": True, **undecided}
    if present.str.match(_DATE).mean() > 0.9:
        return "It is a date. What matters of it, such as years since, can be a column of its own."
    return _category_entry(entry, present, {**gaps, **described}, undecided, written)


def _category_entry(
    entry: dict[str, Any], present: Texts, middle: dict[str, Any], undecided: dict[str, Any], written: CsvFormat
) -> dict[str, Any] | str:
    counts = present.value_counts()
    common = [str(value) for value in counts.index[:_MOST_CATEGORIES]]
    kind: dict[str, Any] = {"type": "category", "categories": sorted(common)}
    if len(counts) > _MOST_CATEGORIES:
        if len(present) < _ROWS_A_CATEGORY * len(counts):
            numbers = float((~np.isnan(_numbers(present, written))).mean())
            hint = f" {numbers:.0%} of its values are numbers." if numbers > 0.1 else ""
            return f"It has {len(counts):,} different words: free text, or an identifier.{hint}"
        kind["unknown"] = "missing"
    elif len(counts) < 2:
        return f"It is {common[0]!r} or empty."
    return {**entry, **kind, **middle, "example": common[0], **undecided}


def _add_unless_leak(draft: Draft, entry: dict[str, Any], texts: Texts, defaults: Any, written: CsvFormat) -> None:
    missing = np.asarray(texts == "")
    if entry["type"] == "category":
        column: Any = CategoryColumn.model_validate({**entry, "name": "x"})
        values = np.array(texts.map(column.codes), dtype=np.float64)
    else:
        values = _numbers(texts, written)
        if entry["type"] == "boolean":
            values = np.where(missing, np.nan, np.asarray(texts.str.lower().isin({"true", "t"})).astype(float))
        numeric = {"type": "number", "unit": "x", "example": 0, "risk_reason": "x", "description": "x"}
        column = NumberColumn.model_validate({**numeric, "name": "x", "header": "x"})
    auc, given_away = separation(column, values, defaults)
    if auc >= REFUSED_AUC or given_away >= 0.5:
        reason = f"It alone tells who defaulted (ROC-AUC {auc:.3f}): known only after the loan was granted?"
        draft.ignored.append({"header": entry["header"], "known_at": "after", "reason": reason})
    else:
        draft.columns.append(entry)


def _tidy(number: float) -> int | float:
    return int(number) if float(number).is_integer() else number
