"""The command line: help, version, and defaults that agree with the code they stand for."""

import inspect
import os
import socket
import subprocess
import sys

from installation import ROOT

from loan_default import __version__
from loan_default.cli import train
from loan_default.served import Served
from loan_default.settings import Settings
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


def test_a_port_that_is_taken_is_one_clear_sentence(settings: Settings, promoted: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        variables = {**os.environ, "STATE_DIR": str(settings.state), "PORT": str(port)}
        done = subprocess.run(
            [sys.executable, "-m", "loan_default.cli", "serve"],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert promoted.folder.is_dir()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr


def test_the_options_defaults_are_those_of_the_procedure() -> None:
    defaults = FitOptions().model_dump()
    options = inspect.signature(train).parameters
    shared = set(defaults) & set(options)
    assert shared == {"seed", "folds", "smote_ratio", "recall_floor"}
    assert {name: options[name].default for name in shared} == {name: defaults[name] for name in shared}
