"""What tests of whole runs share: a portfolio with some bad rows in the middle."""

from pathlib import Path

import pytest
from portfolios import BAD, DATA, ROWS, output, scored

from loan_default.model import LoanModel


@pytest.fixture
def portfolio(tmp_path: Path) -> Path:
    """The default data, with some rows that cannot be scored in the middle."""
    lines = DATA.read_text().splitlines()
    path = tmp_path / "portfolio.csv"
    path.write_text("\n".join([*lines[:3000], *BAD, *lines[3000:]]) + "\n")
    return path


@pytest.fixture
def undisturbed(portfolio: Path, loan_model: LoanModel, tmp_path: Path) -> tuple[bytes, bytes]:
    """What an undisturbed run gives."""
    scored(portfolio, tmp_path / "undisturbed", loan_model, rows=ROWS)
    return output(tmp_path / "undisturbed")
