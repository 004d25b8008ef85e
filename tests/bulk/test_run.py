"""A whole run: the right answers, in the order of the portfolio, and what is told on the way."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from portfolios import (
    DATA,
    PARQUET,
    ROWS,
    as_parquet,
    never,
    nobody,
    ordered,
    output,
    rejects,
    results,
    scored,
    work_on,
)

from loan_default.bulk.progress import Progress
from loan_default.bulk.run import SUMMARY, run
from loan_default.model import LoanModel
from loan_default.training.data import Dataset


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


def test_progress_grows_to_all_rows(portfolio: Path, loan_model: LoanModel, tmp_path: Path) -> None:
    told: list[Progress] = []
    work = work_on(portfolio, tmp_path / "out", loan_model, ordered(portfolio, loan_model, rows=ROWS))
    run(work, told.append, never)
    done = [each.rows_done for each in told]
    assert done == sorted(done)
    assert (done[0], done[-1], told[-1].rows_rejected, len(set(done) - {0})) == (0, 10_005, 5, 15)
    assert [each.stage for each in told][-2:] == ["writing", "done"]


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
