"""A whole run: the right answers, in order, the same to the last byte whatever happened on the way."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from installation import ROOT
from portfolios import PARQUET, never, nobody, ordered, output, rejects, results, scored, work_on

from loan_default.bulk.order import Written
from loan_default.bulk.progress import Progress
from loan_default.bulk.run import SUMMARY, Stopped, run
from loan_default.errors import BulkInputError
from loan_default.model import LoanModel
from loan_default.storage import LocalFolder
from loan_default.training.data import Dataset

DATA = ROOT / "data" / "Default_Fin.csv"
ROWS = 700  # of a chunk: 15 chunks
BAD = ["10001,1,-5,7,0", "10002,1", "10003,2,abc,,0", "10004,0.5,1e999,nan,0", '10005,1,"1,5",9,0']


@pytest.fixture
def portfolio(tmp_path: Path) -> Path:
    """The default data, with some rows that cannot be scored in the middle."""
    lines = DATA.read_text().splitlines()
    path = tmp_path / "portfolio.csv"
    path.write_text("\n".join([*lines[:3000], *BAD, *lines[3000:]]) + "\n")
    return path


@pytest.fixture
def undisturbed(portfolio: Path, loan_model: LoanModel, tmp_path: Path) -> tuple[bytes, bytes]:
    """What an undisturbed run gives."""
    scored(portfolio, tmp_path / "undisturbed", loan_model, rows=ROWS)
    return output(tmp_path / "undisturbed")


def as_parquet(path: Path, group: int | None = None) -> Path:
    table = pa_csv.read_csv(path)
    pq.write_table(table, path.with_suffix(".parquet"), row_group_size=group)
    return path.with_suffix(".parquet")


def stop_after(chunks: int) -> tuple[Callable[[Progress], None], Callable[[], bool]]:
    seen: list[Progress] = []
    return seen.append, lambda: bool(seen) and seen[-1].chunks_done >= chunks


@pytest.mark.parametrize("rows", [1, 999, 10_000])
def test_a_csv_gets_the_answers_of_the_model_to_the_last_bit(
    loan_model: LoanModel, dataset: Dataset, tmp_path: Path, rows: int
) -> None:
    source = tmp_path / "x.csv"
    source.write_text("\n".join(DATA.read_text().splitlines()[: 1 + min(rows * 20, 10_000)]))
    summary = scored(source, tmp_path / "out", loan_model, rows=rows)
    expected = loan_model.pd(dataset.applicants[: summary.rows])
    table = results(tmp_path / "out")
    assert np.array_equal(table["probability"].to_numpy(), expected)
    assert table["row"].to_pylist() == list(range(1, summary.rows + 1))
    declined = expected >= loan_model.decision.threshold
    assert table["prediction"].to_pylist() == declined.astype(int).tolist()
    assert table["default_risk"].to_pylist() == [loan_model.decision.band(pd) for pd in expected]
    assert set(table["model_version"].to_pylist()) == {"7"}
    assert summary.declined == declined.sum() == summary.bands["High"]
    assert summary.mean_pd == pytest.approx(expected.mean())
    assert sum(summary.pd_histogram) == summary.scored == summary.rows


@pytest.mark.parametrize("group", [None, 1000, 7])
def test_parquet_gets_them_too_whatever_its_row_groups(
    loan_model: LoanModel, dataset: Dataset, tmp_path: Path, group: int | None
) -> None:
    (tmp_path / "x.csv").write_bytes(DATA.read_bytes())
    source = as_parquet(tmp_path / "x.csv", group)
    scored(source, tmp_path / "out", loan_model, PARQUET, rows=ROWS)
    table = results(tmp_path / "out")
    assert np.array_equal(table["probability"].to_numpy(), loan_model.pd(dataset.applicants))
    assert table.select(pq.read_schema(source).names).equals(pq.read_table(source))


def test_gaps_and_categories_are_scored_as_in_training(
    credit_csv: Path, credit_model: LoanModel, credit_dataset: Dataset, tmp_path: Path
) -> None:
    scored(credit_csv, tmp_path / "text", credit_model, rows=ROWS)
    table = results(tmp_path / "text")
    assert np.array_equal(table["probability"].to_numpy(), credit_model.pd(credit_dataset.applicants))
    scored(as_parquet_of_types(credit_csv, tmp_path), tmp_path / "types", credit_model, PARQUET, rows=ROWS)
    assert results(tmp_path / "types")["probability"].equals(table["probability"])


def as_parquet_of_types(path: Path, folder: Path) -> Path:
    table = pa_csv.read_csv(
        path,
        convert_options=pa_csv.ConvertOptions(strings_can_be_null=True, auto_dict_encode=True, null_values=["", "NA"]),
    )
    pq.write_table(table, folder / "typed.parquet")
    return folder / "typed.parquet"


def test_columns_pass_through_as_they_were_written(loan_model: LoanModel, tmp_path: Path) -> None:
    source = tmp_path / "x.csv"
    source.write_text('note,Employed,id,Bank Balance,annual_salary\n"a,""b""\n c",1,007,5.50,1e5\n,0,, 7 ,+9\n')
    scored(source, tmp_path / "out", loan_model)
    rows = results(tmp_path / "out").select(["note", "Employed", "id", "Bank Balance", "annual_salary"]).to_pylist()
    assert list(rows[0].values()) == ['a,"b"\n c', "1", "007", "5.50", "1e5"]
    assert list(rows[1].values()) == ["", "0", "", " 7 ", "+9"]
    expected = loan_model.pd(np.array([[1, 5.5, 1e5], [0, 7, 9]]))
    assert results(tmp_path / "out")["probability"].to_pylist() == expected.tolist()


def test_declined_rows_get_their_reasons(loan_model: LoanModel, dataset: Dataset, tmp_path: Path) -> None:
    scored(DATA, tmp_path / "out", loan_model, rows=4000, reasons=True)
    table = results(tmp_path / "out")
    declined = loan_model.pd(dataset.applicants) >= loan_model.decision.threshold
    expected = [[r.sentence for r in row] for row in loan_model.explain(dataset.applicants[declined])]
    assert table.filter(pa.array(declined))["reasons"].to_pylist() == expected
    assert table.filter(pa.array(~declined))["reasons"].null_count == (~declined).sum()


def test_rows_that_cannot_be_scored_are_told_and_the_rest_is_scored(
    portfolio: Path, loan_model: LoanModel, tmp_path: Path, dataset: Dataset
) -> None:
    summary = scored(portfolio, tmp_path / "out", loan_model, rows=ROWS)
    told = rejects(tmp_path / "out")
    assert [(one["row"], one["Index"], one["column"], one["value"]) for one in told] == [
        ("3000", "10001", "Bank Balance", "-5"),
        ("3001", "", "", "10002,1"),
        ("3002", "10003", "Employed", "2"),
        ("3002", "10003", "Bank Balance", "abc"),
        ("3002", "10003", "Annual Salary", ""),
        ("3003", "10004", "Employed", "0.5"),
        ("3003", "10004", "Bank Balance", "1e999"),
        ("3003", "10004", "Annual Salary", "nan"),
        ("3004", "10005", "Bank Balance", "1,5"),
    ]
    assert told[0]["reason"] == "must be a number ≥ 0"
    assert told[1]["reason"] == "must have 5 fields as the header has, not 2"
    assert (summary.rows, summary.scored, summary.rejected) == (10_005, 10_000, 5)
    assert summary.rejects_by_reason["Bank Balance: must be a number ≥ 0"] == 4
    table = results(tmp_path / "out")
    assert table["row"].to_pylist() == [*range(1, 3000), *range(3005, 10_006)]
    assert np.array_equal(table["probability"].to_numpy(), loan_model.pd(dataset.applicants))


def test_a_portfolio_of_which_nothing_can_be_scored_has_results_without_rows(
    loan_model: LoanModel, tmp_path: Path
) -> None:
    source = tmp_path / "x.csv"
    source.write_text("Employed,Bank Balance,Annual Salary\n" + "1,-1,0\n" * 30)
    summary = scored(source, tmp_path / "out", loan_model, rows=7)
    assert (summary.scored, summary.mean_pd, summary.pd_quantiles) == (0, None, {})
    assert results(tmp_path / "out").num_rows == 0
    assert len(rejects(tmp_path / "out")) == 60


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(
    portfolio: Path, loan_model: LoanModel, tmp_path: Path, undisturbed: tuple[bytes, bytes], threads: int
) -> None:
    order = ordered(portfolio, loan_model, rows=ROWS)
    run(work_on(portfolio, tmp_path / "out", loan_model, order, threads), nobody, never)
    assert output(tmp_path / "out") == undisturbed


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


def test_a_finished_job_is_not_done_again(portfolio: Path, loan_model: LoanModel, tmp_path: Path) -> None:
    summary = scored(portfolio, tmp_path / "out", loan_model)
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model))
    portfolio.unlink()
    told: list[Progress] = []
    assert run(work, told.append, never) == summary
    assert [(each.stage, each.rows_done) for each in told] == [("done", 10_005)]


def test_progress_grows_to_all_rows(portfolio: Path, loan_model: LoanModel, tmp_path: Path) -> None:
    told: list[Progress] = []
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model, rows=ROWS))
    run(work, told.append, never)
    done = [each.rows_done for each in told]
    assert done == sorted(done)
    assert (done[0], done[-1], told[-1].rows_rejected, told[-1].chunks_done) == (0, 10_005, 5, 15)
    assert [each.stage for each in told][-2:] == ["writing", "done"]


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
    def writing(self, name: str) -> Iterator[Any]:
        """Write half of it, then there is no room left."""
        file: Any
        with super().writing(name) as file:
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


class Watching:
    """Counts rows by whether they were declined, in place of the drift watch."""

    def counts(self, features: Any, pd: Any) -> dict[str, list[int]]:
        """How many rows, and how many values of the matrix are missing."""
        return {"pd": [len(pd), int(np.isnan(features).sum())]}

    def drift(self, counts: Any) -> dict[str, Any]:
        """Nothing drifts."""
        assert counts == {"pd": [10_000, 0]}
        return {}


def test_what_a_drift_watch_counts_is_added_up(portfolio: Path, loan_model: LoanModel, tmp_path: Path) -> None:
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model, rows=ROWS))
    assert run(replace(work, watch=Watching()), nobody, never).drift == {}
    assert (tmp_path / "out" / SUMMARY).exists()
