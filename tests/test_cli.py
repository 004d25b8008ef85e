"""The command line: help, version, and defaults that agree with the code they stand for."""

import inspect
import subprocess
import sys

from installation import ROOT

from loan_default import __version__
from loan_default.cli import train
from loan_default.training.fit import FitOptions


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_and_version() -> None:
    assert run("-m", "loan_default.cli", "--version").stdout.strip() == __version__
    listed = run("-m", "loan_default.cli", "--help").stdout
    assert all(command in listed for command in ("train", "serve", "build"))
    assert "--recall-floor" in run("train.py", "--help").stdout


def test_an_option_out_of_range_is_refused_with_the_range() -> None:
    done = run("train.py", "--folds", "1")
    assert done.returncode == 2
    assert "--folds" in done.stderr
    assert "greater than or equal to 2" in done.stderr or "2<=x<=20" in done.stderr


def test_the_options_defaults_are_those_of_the_procedure() -> None:
    defaults = FitOptions().model_dump()
    options = inspect.signature(train).parameters
    shared = set(defaults) & set(options)
    assert shared == {"seed", "folds", "smote_ratio", "recall_floor"}
    assert {name: options[name].default for name in shared} == {name: defaults[name] for name in shared}
