"""The pages under docs/operations: every command that is shown is run as it stands, against a real server."""

import configparser
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from doc_blocks import blocks, run
from engines import running_postgres
from installation import KEY, ROOT, Installation, Server, free_port, serving

from loan_default.served import find_served
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

SERVE = ["bentoml", "serve", "service:LoanDefault"]
APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}


@pytest.fixture
def folder(installation: Installation, tmp_path: Path) -> Path:
    """A folder like the one in which somebody operates: a state with a key, data to train on."""
    installation.copy(tmp_path / "state")
    (tmp_path / "state" / "api_key").write_text(KEY)
    shutil.copy(ROOT / "data" / "Default_Fin.csv", tmp_path / "loans.csv")
    return tmp_path


@pytest.fixture
def running(folder: Path) -> Iterator[Server]:
    """A server on that state."""
    with serving(SERVE, variables(folder), ROOT, folder / "log") as server:
        yield server


def variables(folder: Path, **more: str) -> dict[str, str]:
    return {**Installation(folder / "state").environment, "KEY": KEY, **more}


def here(block: str, server: Server) -> str:
    return block.replace("http://127.0.0.1:3000", server.url)


def decisions(server: Server) -> str:
    """Have something decided; its id."""
    with server.client() as client:
        return str(client.post("/api/v1/predict", json=APPLICANT).json()["data"]["decision_id"])


def test_installing(folder: Path, running: Server) -> None:
    (ready,) = blocks("operations/install.md")
    assert '"model_version"' in run(here(ready, running), folder, variables(folder))


def test_the_command_of_the_systemd_unit_serves_and_stops(folder: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.read(ROOT / "docs" / "deploy" / "loan-default.service")
    unit = parser["Service"]
    port = free_port()
    chosen = dict(pair.split("=", 1) for pair in unit["Environment"].split())
    settings = {**variables(folder), **chosen, "STATE_DIR": str(folder / "state"), "PORT": str(port)}
    del settings["SHUTDOWN_DELAY_S"]  # as it is by default
    command = [Path(unit["ExecStart"].split()[0]).name, *unit["ExecStart"].split()[1:]]
    with serving(command, settings, ROOT, folder / "log", port=port) as server:
        assert len(server.workers()) == int(chosen["WORKERS"])
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < int(unit["TimeoutStopSec"])


def test_upgrading_and_going_back(folder: Path, running: Server) -> None:
    database, train, back = blocks("operations/upgrade.md")
    run(database, folder, variables(folder))
    assert "version 2 promoted (production instead of 1)" in run(here(train, running), folder, variables(folder))
    said = run(back, folder, variables(folder))
    assert "Rolled production back to version 1" in said
    assert "Version 2 is promoted to production" in said
    assert find_served(Settings(_env_file=None, state_dir=folder / "state"), ROOT).version == "2"


def test_back_up_and_restore(folder: Path, running: Server) -> None:
    made, checked, restored, _, _ = blocks("operations/backup.md")
    decision_id = decisions(running)
    running.stop()
    run(made, folder, variables(folder))
    assert "is whole" in run(checked, folder, variables(folder))
    assert "Restored" in run(restored, folder, variables(folder))
    there = Installation(folder / "restored")
    assert (folder / "backups").stat().st_mode & 0o077 == 0
    assert "probability" in run(f"loan-default decision {decision_id}", folder, there.environment)


def test_back_up_and_restore_with_postgres(folder: Path, tmp_path: Path) -> None:
    *_, dumped, restored = blocks("operations/backup.md")
    (folder / "backups").mkdir()
    with running_postgres() as postgres:
        libpq = psycopg.conninfo.conninfo_to_dict(postgres.url)
        client = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGUSER": "owner"}
        client["PGPASSWORD"] = str(libpq["password"])
        for name in ("loans", "emptied"):
            postgres.query(f"CREATE DATABASE {name}")
        url = postgres.url.removesuffix("/postgres")
        with serving(SERVE, variables(folder, DATABASE_URL=f"{url}/loans"), ROOT, tmp_path / "log") as server:
            decision_id = decisions(server)
            with server.client() as client_:
                job = client_.post("/api/v1/predict/batch", json={"predictions": [APPLICANT]}).json()["job_id"]
        run(dumped, folder, variables(folder, **client, PGDATABASE="loans", DATABASE_URL=f"{url}/loans"))
        run(restored, folder, variables(folder, **client, PGDATABASE="emptied", DATABASE_URL=f"{url}/emptied"))
        there = Installation(folder / "restored-with-database")
        at = {**there.environment, "DATABASE_URL": f"{url}/emptied"}
        assert "probability" in run(f"loan-default decision {decision_id}", folder, at)
        with serving(SERVE, at, ROOT, tmp_path / "log-restored") as server, server.client() as client_:
            assert client_.get(f"/api/v1/predict/batch/{job}").json()["total_predictions"] == 1


def test_troubleshooting(folder: Path, running: Server) -> None:
    """Each command says something about a server that is well."""
    decision_id = decisions(running)
    with running.client() as client:
        job = client.post("/api/v1/predict/batch", json={"predictions": [APPLICANT]}).json()["job_id"]
    names = {"ID": decision_id, "JOB": job}
    for block in blocks("operations/troubleshooting.md"):
        said = run(here(block, running), folder, variables(folder, **names, SERVER_LOG=str(running.log)))
        assert said.strip(), block


def test_blocks_that_are_not_run_are_shell_all_the_same() -> None:
    for page in (ROOT / "docs" / "operations").glob("*.md"):
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            done = subprocess.run(["bash", "-n", "-c", block], capture_output=True, text=True, check=False)
            assert done.returncode == 0, (page.name, done.stderr)
