"""What a file is by its name, for the command line. What a caller sends is known by its first bytes instead."""

from pathlib import PurePath
from typing import Final

from loan_default.bulk.order import SourceKind, Written

_KINDS: Final[dict[str, SourceKind]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
}


def written_by_name(name: str, kind: SourceKind | None = None) -> Written | None:
    """How a file is written, as far as its name says; None when it does not. A `kind` that was stated counts more."""
    name = name.lower()
    kind = kind or _KINDS.get(PurePath(name.removesuffix(".gz")).suffix)
    return None if kind is None else Written(kind=kind, gzipped=name.endswith(".gz"))
