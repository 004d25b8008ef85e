"""A run goes on where an earlier one ended, however that was, and its output is the same to the last byte."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from portfolios import (
    DATA,
    ROWS,
    as_parquet,
    never,
    nobody,
    ordered,
    output,
    results,
    scored,
    work_on,
)

from loan_default.bulk.order import Written
from loan_default.bulk.progress import Progress
from loan_default.bulk.run import Stopped, run
from loan_default.errors import BulkInputError
from loan_default.model import LoanModel
from loan_default.storage import LocalFolder, nothing


def stop_after(chunks: int) -> tuple[Callable[[Progress], None], Callable[[], bool]]:
    seen: list[Progress] = []
    return seen.append, lambda: len({each.rows_done for each in seen} - {0}) >= chunks


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_stopped_at_every_chunk_it_goes_on_where_it_was(loan_model: LoanModel, tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.csv").write_bytes(DATA.read_bytes())
    source = as_parquet(tmp_path / "x.csv", 999) if kind == "parquet" else tmp_path / "x.csv"
    order = ordered(source, loan_model, Written.model_validate({"kind": kind}), rows=ROWS)
    run(work_on(source, tmp_path / "undisturbed", loan_model, order), nobody, never)
    work, starts = work_on(source, tmp_path / "out", loan_model, order, threads=1), 0
    for chunks in range(1, 15):
        told, stop = stop_after(chunks)
        with pytest.raises(Stopped):
            run(work, told, stop)
        starts += 1
    assert starts == 14
    summary = run(work, nobody, never)
    assert output(tmp_path / "out") == output(tmp_path / "undisturbed")
    assert summary.rows == 10_000
    assert {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()} == {
        "results.parquet",
        "rejects.csv",
        "summary.json",
    }


def test_stopped_while_its_results_are_put_together_it_leaves_none(
    portfolio: Path, loan_model: LoanModel, undisturbed: tuple[bytes, bytes], tmp_path: Path
) -> None:
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model, rows=ROWS))
    seen: list[Progress] = []
    with pytest.raises(Stopped):
        run(work, seen.append, lambda: any(each.stage == "writing" for each in seen))
    assert {name for name in work.folder.names() if not name.startswith("parts/")} == set()
    assert len([name for name in work.folder.names() if name.startswith("parts/")]) == 15
    run(work, nobody, never)
    assert output(tmp_path / "out") == undisturbed


def test_a_finished_job_is_not_done_again(portfolio: Path, loan_model: LoanModel, tmp_path: Path) -> None:
    summary = scored(portfolio, tmp_path / "out", loan_model)
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model))
    portfolio.unlink()
    told: list[Progress] = []
    assert run(work, told.append, never) == summary
    assert [(each.stage, each.rows_done) for each in told] == [("done", 10_005)]


def damage_nothing(part: Path) -> None:
    part.unlink()


def damage_end(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-10])


def damage_with_zeros(part: Path) -> None:
    part.write_bytes(bytes(part.stat().st_size))


def damage_a_bit(part: Path) -> None:
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 1
    part.write_bytes(content)


def damage_by_another(part: Path) -> None:
    part.write_bytes(part.with_name("000001.part").read_bytes())


@pytest.mark.parametrize(
    "damage", [damage_nothing, damage_end, damage_with_zeros, damage_a_bit, damage_by_another, Path.touch]
)
def test_damaged_parts_are_made_again(
    portfolio: Path,
    loan_model: LoanModel,
    tmp_path: Path,
    undisturbed: tuple[bytes, bytes],
    damage: Callable[[Path], None],
) -> None:
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model, rows=ROWS))
    told, stop = stop_after(15)
    with pytest.raises(Stopped):
        run(work, told, stop)
    for number in (0, 4, 14):
        damage(tmp_path / "out" / "parts" / f"{number:06d}.part")
    run(work, nobody, never)
    assert output(tmp_path / "out") == undisturbed


def test_parts_of_another_order_are_not_taken(portfolio: Path, loan_model: LoanModel, tmp_path: Path) -> None:
    told, stop = stop_after(15)
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model, rows=ROWS))
    with pytest.raises(Stopped):
        run(work, told, stop)
    run(replace(work, model_version="8"), nobody, never)
    assert set(results(tmp_path / "out")["model_version"].to_pylist()) == {"8"}


class FullDisk(LocalFolder):
    """A folder on a disk that is full after so many files of a kind."""

    kind, room = "", 0

    @contextmanager
    def writing(self, name: str, asked: Callable[[], None] = nothing) -> Iterator[Any]:
        """Write half of it, then there is no room left."""
        file: Any
        with super().writing(name, asked) as file:
            if name.startswith(self.kind):
                self.room -= 1
                if self.room < 0:
                    file.write(b"half")
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield file


@pytest.mark.parametrize(
    ("kind", "room"), [("parts/", 0), ("parts/", 5), ("parts/", 14), ("results", 0), ("rejects", 0), ("summary", 0)]
)
def test_a_full_disk_leaves_whole_parts_and_the_next_run_goes_on(  # noqa: PLR0913, PLR0917
    portfolio: Path, loan_model: LoanModel, tmp_path: Path, undisturbed: tuple[bytes, bytes], kind: str, room: int
) -> None:
    full = FullDisk(tmp_path / "out")
    full.kind, full.room = kind, room
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model, rows=ROWS))
    with pytest.raises(OSError, match="No space left"):
        run(replace(work, folder=full), nobody, never)
    parts = [name for name in work.folder.names() if name.startswith("parts/")]
    assert len(parts) == (room if kind == "parts/" else 15 if kind == "summary" else 0)
    assert not list((tmp_path / "out").rglob("*.draft"))
    run(work, nobody, never)
    assert output(tmp_path / "out") == undisturbed


def test_a_source_that_changed_is_noticed(portfolio: Path, loan_model: LoanModel, tmp_path: Path) -> None:
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model, rows=ROWS))
    portfolio.write_text(portfolio.read_text().replace("10001,1,-5", "10001,1,15"))
    with pytest.raises(BulkInputError, match="has changed"):
        run(work, nobody, never)
    # Where the storage tells neither size nor time, the number of rows does.
    unknown = work.order.model_copy(update={"source_bytes": None, "source_mtime_ns": None})
    portfolio.write_text(portfolio.read_text() + "1,1,1,1,1\n")
    with pytest.raises(BulkInputError, match="has changed"):
        run(replace(work, order=unknown), nobody, never)
    portfolio.unlink()
    with pytest.raises(BulkInputError, match="has changed"):
        run(work, nobody, never)


def test_two_runs_on_one_folder_do_not_hurt_each_other(
    portfolio: Path, loan_model: LoanModel, tmp_path: Path, undisturbed: tuple[bytes, bytes]
) -> None:
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model, rows=ROWS))
    ended: list[int] = []
    runs = [Thread(target=lambda: ended.append(run(work, nobody, never).rows)) for _ in range(3)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert ended == [10_005] * 3
    assert output(tmp_path / "out") == undisturbed
    assert not any(name.startswith("parts/") for name in LocalFolder(tmp_path / "out").names())
