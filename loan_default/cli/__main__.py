"""`python -m loan_default.cli` is the `loan-default` command."""

from loan_default.cli import app

if __name__ == "__main__":
    app()
