"""What docs/bulk.md shows is what happens: its shell lines and its Python, run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from handed_in import csv
from installation import KEY, ROOT, Server
from worked_examples import blocks

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs" / "bulk.md").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "api_key").write_text(KEY)
    (tmp_path / "portfolio.csv").write_bytes(csv(30) + b"31,x,1,1\n")
    return tmp_path


def code(language: str, server: Server) -> str:
    return "\n".join(blocks(PAGE, language)).replace("http://127.0.0.1:3000", server.url)


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_shell_lines_fetch_results_and_rejects(server: Server, folder: Path) -> None:
    run(folder, "bash", "-euc", code("bash", server))
    header, *lines = (folder / "scored.csv").read_text().splitlines()
    assert header == (
        "row,Index,Employed,Bank Balance,Annual Salary,probability,prediction,default_risk,model_version,reasons"
    )
    assert len(lines) == 30
    assert (folder / "rejects.csv").read_text().splitlines()[1].startswith("31,")


def test_both_of_bentomls_clients_work_as_shown(server: Server, folder: Path) -> None:
    shown = f"KEY = {KEY!r}\n{code('python', server)}\nprint(scored, status.value, task_id, sep='\\n')\n"
    kept = shown.replace("return await task.get()", "return (await task.get()).rename('scored.parquet')")
    _, status, task_id = run(folder, sys.executable, "-c", kept).splitlines()
    assert pq.read_table(folder / "scored.parquet").num_rows == 30
    assert status in {"pending", "in_progress", "completed"}
    assert re.fullmatch("[0-9a-f]{32}", task_id)


def test_the_synchronous_client_still_needs_the_way_around(server: Server, folder: Path) -> None:
    shown = f"""
import bentoml
from pathlib import Path
with bentoml.SyncHTTPClient({server.url!r}, token={KEY!r}) as client:
    try:
        client.score.submit(portfolio=Path("portfolio.csv"))
    except AttributeError as error:
        print(error)
"""
    assert "_opened_files" in run(folder, sys.executable, "-c", shown), "BentoML mended it: drop the way around"
