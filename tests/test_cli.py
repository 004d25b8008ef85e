"""The command line: help, version, and defaults that agree with the code they stand for."""

import inspect
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from installation import ROOT
from typer.testing import CliRunner, Result

from loan_default import __version__
from loan_default.cli import app
from loan_default.cli.run import train
from loan_default.schema import DEFAULT_SCHEMA, load_schema
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


def cli(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def loans(tmp_path: Path, credit_csv: Path) -> Path:
    return Path(shutil.copy(credit_csv, tmp_path / "my loans.csv"))


def test_a_declaration_is_written_beside_the_file_and_never_over_another(loans: Path) -> None:
    written = loans.with_name("my loans.schema.yaml")
    done = cli("schema", "infer", loans)
    assert done.exit_code == 0
    assert f"loan-default schema check '{loans}'" in done.output
    written.write_text("mine")
    again = cli("schema", "infer", loans)
    assert (again.exit_code, written.read_text()) == (2, "mine")
    assert "--force" in again.output
    assert cli("schema", "infer", loans, "--force").exit_code == 0
    assert load_schema(written).target.positive == "bad"


def test_a_declaration_that_cannot_be_written_is_one_clear_sentence(loans: Path) -> None:
    done = cli("schema", "infer", loans, "--output", loans.parent / "none" / "x.yaml")
    assert done.exit_code == 2
    assert "Cannot write" in done.output


def test_check_finds_the_declaration_beside_the_file(loans: Path) -> None:
    assert "lacks the columns 'Employed'" in cli("schema", "check", loans).output
    cli("schema", "infer", loans)
    done = cli("schema", "check", loans)
    assert done.exit_code == 0
    assert "Warning: 'Home' is missing in 6 rows only" in done.output
    assert "4,454 applicants, 1,254 defaults, 11 columns" in done.output


def test_check_says_all_that_is_wrong_with_exit_code_2(loans: Path) -> None:
    cli("schema", "infer", loans)
    loans.write_text(loans.read_text().replace("fixed", "fixxed").replace(",yes,", ",perhaps,"))
    done = cli("schema", "check", loans)
    assert done.exit_code == 2
    assert "'Job' must be one of" in done.output
    assert "2,805 of 4,454 rows are not ('fixxed' in line 3)" in done.output
    assert "'Records' must be one of" in done.output


def test_check_refuses_what_training_would_refuse(loans: Path) -> None:
    lines = loans.read_text().splitlines()
    leaking = [f"{line},{'Recovered' if i == 0 else int(',bad,' in line)}" for i, line in enumerate(lines)]
    loans.write_text("\n".join(leaking))
    cli("schema", "infer", loans)
    declared = loans.with_name("my loans.schema.yaml")
    assert [column.header for column in load_schema(declared).ignored] == ["Recovered"]
    entry = (
        "  - {name: recovered, header: Recovered, type: integer, unit: x, description: X., example: 1, risk_reason: X.}"
    )
    declared.write_text(
        declared.read_text().replace("columns:\n", f"columns:\n{entry}\n").partition("# Left alone")[0]
        + "gates:\n  production: {recall: 0.5}\n  staging: {recall: 0.5}\n"
    )
    done = cli("schema", "check", loans)
    assert done.exit_code == 2
    assert "'Recovered' alone tells who defaulted" in done.output


def test_diff_says_what_breaks_and_ends_with_3_when_something_does(tmp_path: Path) -> None:
    narrower = tmp_path / "narrower.yaml"
    narrower.write_text(
        DEFAULT_SCHEMA.read_text().replace("    minimum: 0\n    unit: dollars,", "    minimum: 1\n    unit: dollars,")
    )
    wide, narrow = cli("schema", "diff", narrower, DEFAULT_SCHEMA), cli("schema", "diff", DEFAULT_SCHEMA, narrower)
    assert (wide.exit_code, narrow.exit_code) == (0, 3)
    assert "Nothing breaks for callers." in wide.output
    assert "breaks  bank_balance: was a number ≥ 0 and is a number ≥ 1, which is narrower" in narrow.output
    assert cli("schema", "diff", DEFAULT_SCHEMA, DEFAULT_SCHEMA).output == "Nothing changes for callers.\n"


def test_diff_knows_the_promoted_models_declaration(
    settings: Settings, promoted: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert promoted.folder.is_dir()
    monkeypatch.setenv("STATE_DIR", str(settings.state))
    assert cli("schema", "diff", "production", DEFAULT_SCHEMA).output == "Nothing changes for callers.\n"
    assert "No model has been promoted to staging" in cli("schema", "diff", "staging", DEFAULT_SCHEMA).output


def test_the_example_is_a_request_body() -> None:
    assert json.loads(cli("schema", "example").output) == load_schema(DEFAULT_SCHEMA).example


def test_the_options_defaults_are_those_of_the_procedure() -> None:
    defaults = FitOptions().model_dump()
    options = inspect.signature(train).parameters
    shared = set(defaults) & set(options)
    assert shared == {"seed", "folds", "smote_ratio", "policy", "recall_floor", "cost_ratio"}
    assert {name: options[name].default for name in shared} == {name: defaults[name] for name in shared}
