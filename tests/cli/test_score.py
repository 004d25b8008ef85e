"""`loan-default score`: a portfolio on this machine."""

import csv
import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from commands import cli
from installation import ROOT
from models import put_in_production

from loan_default.bulk.gather import Gathering, Unusable
from loan_default.model import LoanModel
from loan_default.served import Served, point
from loan_default.settings import Settings
from loan_default.training.data import Dataset

DATA = ROOT / "data" / "Default_Fin.csv"


@pytest.fixture
def portfolio(promoted: Served, tmp_path: Path) -> Path:
    """The default data, a row of which cannot be scored."""
    assert promoted
    path = tmp_path / "portfolio.csv"
    path.write_text(DATA.read_text() + "10001,1,-5,7,0\n")
    return path


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"state", "portfolio.csv"}


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_the_output_is_written_as_its_name_says(
    portfolio: Path, loan_model: LoanModel, dataset: Dataset, tmp_path: Path, ending: str
) -> None:
    done = cli("score", portfolio, "-o", tmp_path / f"scored.{ending}")
    assert done.exit_code == 0, done.output
    output = tmp_path / f"scored.{ending}"
    if ending == "parquet":
        found = pq.read_table(output).to_pylist()
    else:
        text = output.read_text()
        found = json.loads(text) if ending == "json" else list(csv.DictReader(text.splitlines()))
    assert [float(row["probability"]) for row in found] == loan_model.pd(dataset.applicants).tolist()
    assert left(tmp_path) == {f"scored.{ending}", "scored.rejects.csv", "scored.summary.json"}
    assert "10001,10001,Bank Balance,-5,must be a number ≥ 0" in (tmp_path / "scored.rejects.csv").read_text()
    assert json.loads((tmp_path / "scored.summary.json").read_text())["scored"] == 10_000


def test_what_came_of_it_is_told(portfolio: Path, tmp_path: Path) -> None:
    done = cli("score", portfolio, "-o", tmp_path / "scored.csv")
    for said in (
        "The separator was not stated; a comma was found in the header.",
        "10,000 of 10,001 rows scored with model version 7:",
        "  High ",
        "1 rows could not be scored; scored.rejects.csv says why:",
        "Bank Balance: must be a number ≥ 0",
        "done: 10,001 of 10,001 rows, 1 rejected",
        "Written: scored.csv, scored.rejects.csv, scored.summary.json",
    ):
        assert said in done.output, said
    quiet = cli("score", portfolio, "-o", tmp_path / "scored.csv", "--json")
    assert json.loads(quiet.output)["rejected"] == 1


def test_formats_are_stated_or_follow_from_the_name(portfolio: Path, tmp_path: Path) -> None:
    written = portfolio.read_text().replace(",", ";").replace(".", ",")
    (tmp_path / "x.dat").write_text(written, encoding="utf-16")
    stated = ["--format", "csv", "--separator", ";", "--decimal", ",", "--encoding", "utf-16"]
    assert cli("score", tmp_path / "x.dat", "-o", tmp_path / "scored.parquet", *stated).exit_code == 0
    (tmp_path / "x.tsv.gz").write_bytes(gzip.compress(portfolio.read_text().replace(",", "\t").encode()))
    done = cli("score", tmp_path / "x.tsv.gz", "-o", tmp_path / "other.parquet", "--separator", "\\t")
    assert done.exit_code == 0, done.output
    one, other = (pq.read_table(tmp_path / f"{name}.parquet")["probability"] for name in ("scored", "other"))
    assert one.equals(other)


def test_a_csv_holds_no_formulas_unless_they_are_to_be_kept(portfolio: Path, tmp_path: Path) -> None:
    portfolio.write_text("note,Employed,Bank Balance,Annual Salary\n=A1,1,1,9000\n-1.5,1,1,9000\n")
    for options, notes in (([], ["'=A1", "-1.5"]), (["--formulas", "keep"], ["=A1", "-1.5"])):
        done = cli("score", portfolio, "-o", tmp_path / "x.csv", *options)
        assert done.exit_code == 0, done.output
        assert [line.split(",")[1] for line in (tmp_path / "x.csv").read_text().splitlines()[1:]] == notes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["portfolio.csv", "-o", "x.xlsx"], "must end in .parquet, .csv, .json: x.xlsx does not"),
        (["portfolio.csv", "-o", "portfolio.csv"], "must be another file than the portfolio"),
        (["gone.csv", "-o", "x.csv"], "There is no such portfolio"),
        (["portfolio.xlsx", "-o", "x.csv"], "say it with --format"),
        (["portfolio.csv", "-o", "x.csv", "--separator", "a"], "--separator: "),
        (["portfolio.csv", "-o", "x.csv", "--separator", ";"], "lacks the columns"),
        (["portfolio.csv", "-o", "x.csv", "--encoding", "klingon"], "there is no encoding 'klingon'"),
        (["portfolio.csv", "-o", "x.csv", "--decimal", ","], "separator and decimal must differ"),
        (["portfolio.csv", "-o", "x.csv", "--format", "parquet"], "not a readable Parquet file"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_a_sentence(
    portfolio: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    assert portfolio.parent == tmp_path
    done = cli("score", *arguments)
    assert (done.exit_code, done.output.count("error: ")) == (2, 1)
    assert said in done.output
    assert left(tmp_path) == set()


def interrupted(portfolio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run be stopped by Ctrl-C after its parts were made."""

    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        raise Unusable

    with monkeypatch.context() as patched:
        patched.setattr(Gathering, "end", interrupt)
        done = cli("score", portfolio, "-o", tmp_path / "scored.csv")
    assert done.exit_code == 130, done.output
    assert "run the same command again" in done.output
    assert (tmp_path / ".scored.csv.work" / "parts" / "000000.part").exists()


def test_after_ctrl_c_the_same_command_goes_on(
    portfolio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("score", portfolio, "-o", tmp_path / "undisturbed.csv")
    interrupted(portfolio, tmp_path, monkeypatch)
    part = tmp_path / ".scored.csv.work" / "parts" / "000000.part"
    made = part.stat().st_mtime_ns
    interrupted(portfolio, tmp_path, monkeypatch)
    assert part.stat().st_mtime_ns == made
    assert cli("score", portfolio, "-o", tmp_path / "scored.csv").exit_code == 0
    assert (tmp_path / "scored.csv").read_bytes() == (tmp_path / "undisturbed.csv").read_bytes()
    assert not (tmp_path / ".scored.csv.work").exists()


def test_an_unfinished_run_of_something_else_is_in_the_way(  # noqa: PLR0913, PLR0917
    portfolio: Path,
    settings: Settings,
    loan_model: LoanModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    promoted: Served,
) -> None:
    assert promoted.version == "7"
    interrupted(portfolio, tmp_path, monkeypatch)
    other = tmp_path / "other.csv"
    other.write_text(portfolio.read_text())
    for arguments, said in (
        ([other], "was made for another portfolio"),
        ([portfolio, "--reasons"], "was made for results without reasons"),
        ([portfolio, "--separator", ","], "was made for another format of it"),
    ):
        done = cli("score", *arguments, "-o", tmp_path / "scored.csv")
        assert done.exit_code == 2
        assert said in done.output
        assert "remove that folder" in done.output
    put_in_production(settings, loan_model, version="8")
    assert "was made for model version 7" in cli("score", portfolio, "-o", tmp_path / "scored.csv").output
    point(settings, "production", promoted)
    portfolio.write_text(portfolio.read_text() + "\n")
    assert "has changed since" in cli("score", portfolio, "-o", tmp_path / "scored.csv").output


def test_two_runs_do_not_write_one_output(portfolio: Path, tmp_path: Path, settings: Settings) -> None:
    program = (
        "import fcntl, os, sys, time\nos.makedirs(sys.argv[1], exist_ok=True)\n"
        "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    work = tmp_path / ".scored.csv.work"
    assert settings.state.exists()
    with subprocess.Popen([sys.executable, "-c", program, work], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        done = cli("score", portfolio, "-o", tmp_path / "scored.csv")
        other.kill()
    assert (done.exit_code, "Another run is writing scored.csv" in done.output) == (2, True)


def test_a_terminal_sees_a_bar(portfolio: Path, tmp_path: Path, settings: Settings) -> None:
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "loan_default.cli", "score", str(portfolio), "-o", str(tmp_path / "scored.csv")]
    environment = {**os.environ, "STATE_DIR": str(settings.state), "TERM": "xterm", "COLUMNS": "120"}
    done = subprocess.run(command, env=environment, stderr=end, stdout=subprocess.PIPE, check=True)
    os.close(end)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert "100%" in shown
    assert "10,001 of 10,001 rows" in shown
    assert b"Written: scored.csv" in done.stdout


@pytest.mark.slow
def test_killed_with_9_the_same_command_goes_on(portfolio: Path, tmp_path: Path, settings: Settings) -> None:
    command = [
        sys.executable,
        "-m",
        "loan_default.cli",
        "score",
        str(portfolio),
        "-o",
        str(tmp_path / "scored.parquet"),
    ]
    environment = {**os.environ, "STATE_DIR": str(settings.state)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        process.stderr.readline()
        time.sleep(0.01)
        process.kill()
    assert subprocess.run(command, env=environment, check=False, capture_output=True).returncode == 0
    assert pq.read_table(tmp_path / "scored.parquet").num_rows == 10_000
    assert left(tmp_path) == {"scored.parquet", "scored.rejects.csv", "scored.summary.json"}


def test_a_full_disk_is_said_and_what_is_done_is_kept(
    portfolio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Gathering, "end", full)
        done = cli("score", portfolio, "-o", tmp_path / "scored.csv")
    assert (done.exit_code, "No space left on device" in done.output) == (1, True)
    assert cli("score", portfolio, "-o", tmp_path / "scored.csv").exit_code == 0
