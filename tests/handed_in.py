"""Small portfolios, and the calls that hand them in, for tests of jobs over HTTP."""

import gzip
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

BATCH = "/api/v1/predict/batch"
FILE = f"{BATCH}/file"
APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
# Holders of keys, and their scopes.
KEYS = {"analyst": "score", "colleague": "score", "operator": "operate"}
HEADERS = ("Index", "Employed", "Bank Balance", "Annual Salary")


def rows(count: int) -> list[tuple[int, int, float, float]]:
    """Rows with an index, by `HEADERS`; no two alike."""
    return [(i, i % 2, 100.0 * i, 50_000.0 + i) for i in range(1, count + 1)]


def csv(count: int, separator: str = ",") -> bytes:
    """Them as a CSV."""
    lines = [HEADERS, *rows(count)]
    return "".join(separator.join(map(str, line)) + "\n" for line in lines).encode()


def gz(count: int) -> bytes:
    """Them as a gzipped CSV."""
    return gzip.compress(csv(count), mtime=0)  # the same bytes at any time: they name a test


def parquet(count: int) -> bytes:
    """Them as Parquet."""
    columns = dict(zip(HEADERS, map(list, zip(*rows(count), strict=True)), strict=True))
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def listed(applicants: Sequence[Any]) -> dict[str, Any]:
    """The body that hands in a list."""
    return {"predictions": applicants}


def form(content: bytes, name: str = "p.csv", field: str = "file") -> dict[str, tuple[str, bytes]]:
    """What httpx makes a form of."""
    return {field: (name, content)}


def key(name: str) -> dict[str, str]:
    """The header with which a holder calls."""
    return {"X-API-Key": f"key-of-{name}"}


def write_keys(path: Path) -> None:
    """The file of these keys."""
    hashed = {name: hashlib.sha256(key(name)["X-API-Key"].encode()).hexdigest() for name in KEYS}
    path.write_text("".join(f"{name} {KEYS[name]} sha256:{hashed[name]}\n" for name in KEYS))
    path.chmod(0o600)
