"""How fast portfolios are scored in bulk, beside XGBoost alone and loops of a few lines.

    python benchmarks/bulk.py [--larger] [--by-trees] [ROWS ...]

Needs a promoted model (`make train`). Portfolios of 100 thousand, 1 million and 10 million rows, unless ROWS says
otherwise, are made once of data/Default_Fin.csv with noise and kept under STATE_DIR/benchmarks. Each measurement runs
in a process of its own, `BEST_OF` times, and the best counts: other work on the machine only ever makes it slower. CPU
time is steadier than rows/s where the machine has other work. With `--larger` the model has 300 trees of depth 3
instead of the promoted one's. With `--by-trees` ours asks the trees, as it does of models with too many cells to look
their answers up (`loan_default/cells.py`).
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import typer
from numpy.typing import NDArray
from pyarrow.fs import LocalFileSystem

from loan_default.bulk.inspect import inspect
from loan_default.bulk.order import Written
from loan_default.bulk.run import Work, run
from loan_default.margins import raw_margins
from loan_default.model import LoanModel
from loan_default.schema import DEFAULT_SCHEMA
from loan_default.served import pointed
from loan_default.settings import read_settings
from loan_default.storage import LocalFolder, Place

SIZES = (100_000, 1_000_000, 10_000_000)
BEST_OF = 3
CORES = len(os.sched_getaffinity(0))
BATCH = 131_072
BY_TREES = "--by-trees"
FOLDER = read_settings().state / "benchmarks" / "bulk"


class Measured(NamedTuple):
    """Rows a second, CPU time of a row over all cores, and the most memory that the process had."""

    rate: float
    cpu_us: float
    mb: float


def main() -> None:
    """Measure everything and print the table."""
    larger = "--larger" in sys.argv
    folder = larger_model() if larger else pointed(read_settings(), "production").model_folder
    sizes = [int(rows) for rows in sys.argv[1:] if not rows.startswith("--")] or SIZES
    typer.echo(f"{CORES} cores; rows/s, CPU time of a row, most memory of the process; best of {BEST_OF}\n")
    typer.echo(f"{'':34}" + "".join(f"{rows:>34,}" for rows in sizes))
    found = {name: [measured(folder, name, rows) for rows in sizes] for name in CALLS}
    for name, of_sizes in found.items():
        cells = [f"{each.rate:>15,.0f} {each.cpu_us:>7.2f} µs {each.mb:>5,.0f} MB" for each in of_sizes]
        typer.echo(f"{CALLS[name][0]:34}" + "".join(cells))
    for ours, theirs, goal in (("parquet", "raw", 0.75), ("csv", "csv-loop", 0.5), ("parquet", "loop", 1.0)):
        pairs = zip(found[ours], found[theirs], strict=True)
        shares = [f"{a.rate / b.rate:>15.0%} {b.cpu_us / a.cpu_us:>7.0%}            " for a, b in pairs]
        typer.echo(f"{f'{ours} / {theirs} (goal {goal:.0%})':34}" + "".join(shares))
    portfolio("parquet", 1)
    one = min(told_by(folder, "parquet", 1)["seconds"] for _ in range(BEST_OF))
    typer.echo(f"\nA job of one row, inspected and scored: {1000 * one:.0f} ms")


def measured(folder: Path, name: str, rows: int) -> Measured:
    """One thing with one portfolio."""
    portfolio("parquet", rows), portfolio("csv", rows)
    told = [told_by(folder, name, rows) for _ in range(BEST_OF)]
    best = {what: min(each[what] for each in told) for what in told[0]}
    return Measured(rows / best["seconds"], best["cpu"] / rows * 1e6, best["mb"])


def told_by(folder: Path, name: str, rows: int) -> dict[str, float]:
    """What a process of its own measured."""
    command = [sys.executable, __file__, "in-process", str(folder), name, str(rows)]
    command += [BY_TREES] if BY_TREES in sys.argv else []
    done = subprocess.run(command, capture_output=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def in_process(folder: Path, name: str, rows: int) -> None:
    """Measure here and tell it on standard output."""
    call = CALLS[name][1](folder, rows)
    started, worked = time.perf_counter(), time.process_time()
    call()
    took, cpu = time.perf_counter() - started, time.process_time() - worked
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    typer.echo(json.dumps({"seconds": took, "cpu": cpu, "mb": peak_kb / 1024}))


def larger_model() -> Path:
    """The folder of a model with 300 trees of depth 3, fitted unless it is there."""
    from loan_default.training.data import read_dataset
    from loan_default.training.fit import FitOptions, fit_decision

    folder = FOLDER / "larger-model"
    if not folder.exists():
        promoted = LoanModel.load(pointed(read_settings(), "production").model_folder)
        data = read_dataset(DEFAULT_SCHEMA.with_name("Default_Fin.csv"), promoted.schema)
        fitted = fit_decision(data, promoted.schema, FitOptions(trees=300, depth=3))
        model = LoanModel.assemble(fitted.schema, fitted.booster, fitted.decision, promoted.about, promoted.reference)
        model.save(folder)
    return folder


def portfolio(kind: str, rows: int) -> Path:
    """A file of so many rows, made unless it is there."""
    path = FOLDER / f"{rows}.{kind}"
    if path.exists():
        return path
    FOLDER.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    first = next(iter(made(1)))
    writer: Any = pq.ParquetWriter(draft, first.schema) if kind == "parquet" else pa_csv.CSVWriter(draft, first.schema)
    with writer:
        for table in made(rows):
            writer.write_table(table)
    draft.rename(path)
    return path


def made(rows: int) -> Iterator[pa.Table]:
    """Rows of the default data, drawn again and again, their amounts a little different each time."""
    source = pa_csv.read_csv(DEFAULT_SCHEMA.with_name("Default_Fin.csv"))
    random = np.random.default_rng(7)
    for start in range(0, rows, 1_000_000):
        size = min(1_000_000, rows - start)
        table = source.take(pa.array(random.integers(0, source.num_rows, size)))
        table = table.set_column(0, "Index", pa.array(np.arange(start + 1, start + size + 1)))
        for place, field in enumerate(table.schema):
            if pa.types.is_floating(field.type):
                noisy = np.round(table[place].to_numpy() * random.lognormal(0, 0.05, size), 2)
                table = table.set_column(place, field.name, pa.array(noisy))
        yield table


def engine(kind: str) -> Callable[[Path, int], Callable[[], object]]:
    """Ours, with inspection, checks, rejects, checkpoints and summary, drift included."""

    def prepare(model_folder: Path, rows: int) -> Callable[[], object]:
        model = LoanModel.load(model_folder)
        if BY_TREES in sys.argv:
            vars(model)["cells"] = None  # as if they had been looked for in vain
        place = Place(LocalFileSystem(), str(portfolio(kind, rows)))
        folder = FOLDER / f"out-{kind}-{rows}"
        shutil.rmtree(folder, ignore_errors=True)
        watch = model.population_watch(read_settings().drift_psi_threshold)

        def score() -> None:
            written = Written.model_validate({"kind": kind})
            order = inspect(place, model.schema, written, most_rows=10**9).order
            work = Work(order, place, LocalFolder(folder), model, "1", CORES, watch)
            summary = run(work, lambda _: None, lambda: False)
            assert summary.scored == rows, summary  # noqa: S101  # a benchmark of something else otherwise
            shutil.rmtree(folder)

        return score

    return prepare


def raw(model_folder: Path, rows: int) -> Callable[[], object]:
    """XGBoost on a matrix in memory, with all cores: what nothing around it can beat."""
    model = LoanModel.load(model_folder, threads=CORES)
    matrix = np.concatenate([features(model, batch) for batch in batches("parquet", rows)])
    return lambda: raw_margins(model.booster, matrix)


def loop(model_folder: Path, rows: int) -> Callable[[], object]:
    """Read, score and write Parquet in the shortest way: no checks, no rejects, no checkpoints."""
    model = LoanModel.load(model_folder, threads=CORES)

    def score() -> None:
        path, writer = FOLDER / f"loop-{rows}.parquet", None
        for batch in batches("parquet", rows):
            pd = by_xgboost(model, features(model, batch))
            table = pa.Table.from_batches([batch]).append_column("probability", pa.array(pd))
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
        path.unlink()

    return score


def csv_loop(model_folder: Path, rows: int) -> Callable[[], object]:
    """Read by pyarrow's CSV reader with all cores, and score; nothing is written."""
    model = LoanModel.load(model_folder, threads=CORES)

    def score() -> None:
        for batch in batches("csv", rows):
            by_xgboost(model, features(model, batch))

    return score


def by_xgboost(model: LoanModel, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """PDs as anybody would compute them, without the cells that ours has of small models."""
    return model.decision.calibration.pd(raw_margins(model.booster, matrix))


def batches(kind: str, rows: int) -> Iterator[pa.RecordBatch]:
    """A portfolio by pyarrow alone."""
    if kind == "parquet":
        yield from pq.ParquetFile(portfolio("parquet", rows)).iter_batches(BATCH)
    else:
        options = pa_csv.ReadOptions(block_size=4 << 20)
        yield from pa_csv.open_csv(portfolio("csv", rows), read_options=options)


def features(model: LoanModel, batch: pa.RecordBatch) -> NDArray[np.float32]:
    """The feature matrix of a batch."""
    columns = [batch[column.header].cast(pa.float64()).to_numpy() for column in model.schema.columns]
    return model.features.matrix(np.column_stack(columns))


CALLS: dict[str, tuple[str, Callable[[Path, int], Callable[[], object]]]] = {
    "raw": ("XGBoost alone, in memory", raw),
    "parquet": ("loan-default, Parquet → Parquet", engine("parquet")),
    "loop": ("pyarrow loop, Parquet → Parquet", loop),
    "csv": ("loan-default, CSV → Parquet", engine("csv")),
    "csv-loop": ("pyarrow CSV reader + score", csv_loop),
}


if __name__ == "__main__":
    if sys.argv[1:2] == ["in-process"]:
        in_process(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        main()
