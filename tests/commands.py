"""The `loan-default` command in this process."""

from typer.testing import CliRunner, Result

from loan_default.cli import app


def cli(*arguments: object) -> Result:
    """What a command printed, and its exit code."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
