"""Rebuild `data/Default_Fin.csv` from the PyPI package ISLP, to prove where every number in it comes from.

    python data/rebuild.py            # compare with the file that is here; exit code 1 when they differ
    python data/rebuild.py --write    # write it

The package ships the `Default` data of *An Introduction to Statistical Learning* as `ISLP/data/Default.csv`. Its wheel
is fetched by pip with a pinned hash and only read, never installed: it would bring PyTorch along for one CSV file.
"""

import argparse
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "Default_Fin.csv"
REQUIREMENT = "ISLP==0.6.0 --hash=sha256:ca772cecca1747a2f84ee799a5503ddddbdf0e98f90c235494790c1d036c694b"
MEMBER = "ISLP/data/Default.csv"
HEADER = ["Index", "Employed", "Bank Balance", "Annual Salary", "Defaulted?"]
MONTHS = 12


def fetch_wheel(folder: Path) -> Path:
    """Download the pinned ISLP wheel into `folder`; pip refuses a file whose hash is another one."""
    requirements = folder / "requirements.txt"
    requirements.write_text(REQUIREMENT + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--require-hashes", "-r", str(requirements), "-d", str(folder)], check=True)
    return next(folder.glob("*.whl"))


def amount(text: str) -> str:
    """A monthly amount as the yearly one: rounded to cents, times twelve, without a trailing zero after the point."""
    return repr(round(round(float(text), 2) * MONTHS, 2))


def rebuild(wheel: Path) -> bytes:
    """The bytes of `Default_Fin.csv` from an ISLP wheel: one line per customer, in the package's order."""
    with zipfile.ZipFile(wheel) as archive:
        source = csv.DictReader(io.StringIO(archive.read(MEMBER).decode("utf-8")))
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADER)
        for index, row in enumerate(source, start=1):
            employed = "0" if row["student"] == "Yes" else "1"
            defaulted = "1" if row["default"] == "Yes" else "0"
            writer.writerow([index, employed, amount(row["balance"]), amount(row["income"]), defaulted])
    return out.getvalue().encode("utf-8")


def main() -> int:
    """Compare or write; returns the exit code."""
    parser = argparse.ArgumentParser(description="Rebuild data/Default_Fin.csv from the PyPI package ISLP.")
    parser.add_argument("--write", action="store_true", help="write the file instead of comparing with it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        content = rebuild(fetch_wheel(Path(folder)))
    if arguments.write:
        TARGET.write_bytes(content)
    same = TARGET.exists() and TARGET.read_bytes() == content
    print(f"sha256 {hashlib.sha256(content).hexdigest()}")
    print(f"{TARGET.name} {'is' if same else 'is NOT'} what ISLP's {MEMBER} gives")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
