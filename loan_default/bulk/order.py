"""What is to be scored, and how it is written: everything that decides a job's output, kept as JSON beside it."""

from typing import Literal

from loan_default.decision import Stored
from loan_default.schema.declaration import CsvFormat

SourceKind = Literal["csv", "parquet", "json"]
ResultFormat = Literal["parquet", "csv", "json"]
# Of cells that a spreadsheet would run: marked as text, or kept as they came.
Formulas = Literal["text", "keep"]


class Written(Stored):
    """How a source is written. Stated by the caller or found by `inspect`, and told either way; never guessed silently.

    Attributes:
        kind: `json` is one applicant a line, as the API takes them.
        gzipped: whether a CSV is compressed as a whole.
        csv: separator, decimal mark, encoding and missing values of a CSV; None for the others.
    """

    kind: SourceKind
    gzipped: bool = False
    csv: CsvFormat | None = None


class BulkOrder(Stored):
    """One portfolio to score.

    Attributes:
        written: how the source is written.
        rows: how many rows it has, as counted when it was accepted.
        reasons: whether each declined row gets its reasons.
        chunk_rows: the most rows of a chunk; with the source and the model it decides the parts, to the last byte.
        source_bytes, source_mtime_ns: size and time of the source when it was accepted, by which a change is noticed;
            None where its storage does not tell.
    """

    format: Literal[1] = 1
    written: Written
    rows: int
    reasons: bool = False
    chunk_rows: int
    source_bytes: int | None = None
    source_mtime_ns: int | None = None
