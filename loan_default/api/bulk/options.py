"""How a portfolio is written: what the caller says of it, and what its first bytes say; what to make of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from pydantic import ValidationError

from loan_default.errors import BulkInputError, InvalidQuery
from loan_default.schema.declaration import CsvFormat

if TYPE_CHECKING:
    from loan_default.bulk.order import Written

# What tells the kind of a file.
HEAD_BYTES = 4
_PARQUET, _GZIP, _ZIP = b"PAR1", b"\x1f\x8b", b"PK\x03\x04"
_PARQUET_TYPES = {"application/vnd.apache.parquet", "application/x-parquet", "application/parquet"}

_FLAGS = {"true": True, "false": False}
_FORMAT = ("separator", "encoding", "decimal")
JSON_OPTIONS = ("reasons", "live_drift")
FILE_OPTIONS = (*JSON_OPTIONS, *_FORMAT)


@dataclass(frozen=True)
class Options:
    """What a caller says beside the portfolio itself.

    Attributes:
        reasons: whether each declined row gets its reasons.
        csv: what is said of a CSV; what is not said is as declared.
        live_drift: whether a sample of the rows enters the drift monitor's live window.
    """

    reasons: bool
    csv: Mapping[str, str]
    live_drift: bool = False

    def digested(self) -> bytes:
        """The same options make the same bytes; those of an earlier version made the same without `live_drift`."""
        live = {"live_drift": True} if self.live_drift else {}
        return msgspec.json.encode({"reasons": self.reasons, "csv": self.csv, **live}, order="sorted")


def options_of(given: Mapping[str, Any]) -> Options:
    """The options in a query, a form or a JSON body.

    Raises:
        InvalidQuery: one is unknown, or has a value that it does not take.
    """
    unknown = set(given) - set(FILE_OPTIONS)
    if unknown:
        raise InvalidQuery(f"`{min(unknown)[:64]}` is not known; there are {', '.join(FILE_OPTIONS)}.")
    said = {name: given[name] for name in _FORMAT if given.get(name) is not None}
    _csv(CsvFormat(), said)
    return Options(_flag(given, "reasons"), said, _flag(given, "live_drift"))


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value not in _FLAGS:
        raise InvalidQuery(f"`{name}` must be `true` or `false`.")
    return _FLAGS[value]


def query_of(raw: bytes, known: tuple[str, ...]) -> dict[str, str]:
    """The parameters of a query.

    Raises:
        InvalidQuery: one is unknown, or given twice.
    """
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=16)
        found = dict(pairs)
        valid = len(found) == len(pairs) and set(found) <= set(known)
    except ValueError:
        valid = False
    if not valid:
        names = " and ".join(f"`{name}`" for name in known)
        raise InvalidQuery(f"The query takes {names or 'no parameters'}, once each." if known else "There is no query.")
    return found


def written(options: Options, declared: CsvFormat, head: bytes, file_name: str, media_type: str) -> "Written":
    """How a file is written: its first bytes decide, and must not contradict what it is called.

    Args:
        options: what the caller says of it.
        declared: how the lender's CSV files are written.
        head: the first `HEAD_BYTES` of it.
        file_name, media_type: what the caller calls it; empty when unknown.

    Raises:
        BulkInputError: it is called a Parquet file and is none, or the other way round, or is an archive.
    """
    from loan_default.bulk.order import Written

    name = file_name.lower()
    called_parquet = name.endswith(".parquet") or media_type.partition(";")[0] in _PARQUET_TYPES
    if head.startswith(_PARQUET):
        if options.csv:
            raise BulkInputError(f"{' and '.join(options.csv)} is said of a CSV, and this is a Parquet file.")
        if name.endswith((".csv", ".csv.gz", ".gz")):
            raise BulkInputError("The file is called a CSV, and is a Parquet file: call it .parquet.")
        return Written(kind="parquet")
    if called_parquet:
        raise BulkInputError("The file is called Parquet, and is none: it does not begin as one.")
    if head.startswith(_ZIP):
        raise BulkInputError("The file is a zip archive: send a CSV, a CSV compressed with gzip, or Parquet.")
    gzipped = head.startswith(_GZIP)
    if name.endswith(".gz") and not gzipped:
        raise BulkInputError("The file is called .gz, and is not compressed with gzip.")
    return Written(kind="csv", gzipped=gzipped, csv=_csv(declared, options.csv) if options.csv else None)


def _csv(declared: CsvFormat, said: Mapping[str, Any]) -> CsvFormat:
    try:
        return CsvFormat.model_validate(declared.model_dump() | dict(said))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = str(problem["loc"][0]) if problem["loc"] else "separator and decimal"
        allowed = {
            "separator": "must be one of `,` `;` `|` and tab",
            "decimal": "must be `.` or `,`",
            "encoding": "must be the name of an encoding of text, such as utf-8 or cp1252",
        }.get(field, "must differ: name both")
        raise InvalidQuery(f"{field} {allowed}.") from None
