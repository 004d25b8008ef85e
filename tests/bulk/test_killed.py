"""kill -9 at any moment: started again, the job goes on, and its output is what an undisturbed run gives."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from installation import ROOT, with_helpers
from portfolios import ordered, output, scored

from loan_default.model import LoanModel

DATA = ROOT / "data" / "Default_Fin.csv"
ROWS = 250  # of a chunk: 40 chunks
KILLS = 8
# Tells a line after each chunk. Parts are made slowly enough to be hit while they are written.
PROGRAM = """
import sys
from pathlib import Path
from portfolios import work_on
from loan_default.bulk.order import BulkOrder
from loan_default.bulk.run import run
from loan_default.model import LoanModel

source, folder, model, order = sys.argv[1:]
work = work_on(Path(source), Path(folder), LoanModel.load(Path(model)), BulkOrder.model_validate_json(order))
run(work, lambda progress: print(progress.stage, flush=True), lambda: False)
"""


def killed(program: list[str], lines: int, wait_s: float) -> bool:
    """Kill a run a moment after it has told so many lines; says whether it was not done by then."""
    with subprocess.Popen(program, env=with_helpers(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(lines):
            if not process.stdout.readline():
                break
        time.sleep(wait_s)
        process.kill()
        process.stdout.read()
    return process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_at_random_moments_it_finishes_with_the_same_output(loan_model: LoanModel, tmp_path: Path) -> None:
    scored(DATA, tmp_path / "undisturbed", loan_model, rows=ROWS)
    loan_model.save(tmp_path / "model")
    order = ordered(DATA, loan_model, rows=ROWS).model_dump_json()
    paths = [str(path) for path in (DATA, tmp_path / "out", tmp_path / "model")]
    program = [sys.executable, "-c", PROGRAM, *paths, order]
    chance = random.Random(9)
    kills = sum(killed(program, chance.randint(1, 12), chance.random() * 0.02) for _ in range(KILLS))
    # The last lines of a run: the parts are there, the results are being put together.
    kills += killed(program, 42, 0.0)
    assert kills >= KILLS // 2
    subprocess.run(program, env=with_helpers(), check=True, capture_output=True)
    assert output(tmp_path / "out") == output(tmp_path / "undisturbed")
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert left == {"results.parquet", "rejects.csv", "summary.json"}
