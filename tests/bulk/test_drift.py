"""A job's summary says how far its rows are from the training population."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loan_default.bulk.local import LocalJob
from loan_default.bulk.order import Written
from loan_default.bulk.run import Stopped
from loan_default.bulk.summary import Summary
from loan_default.model import LoanModel
from loan_default.reference import PD
from loan_default.training.data import Dataset

THRESHOLD = 0.15


@pytest.fixture
def portfolio(dataset: Dataset, tmp_path: Path) -> Path:
    """Every applicant three times, owing half as much again."""
    path = tmp_path / "portfolio.csv"
    rows = np.tile(dataset.applicants * np.array([1, 1.5, 1]), (3, 1))
    np.savetxt(path, rows, "%.17g", ",", header="employed,bank_balance,annual_salary", comments="")
    return path


def job(model: LoanModel, portfolio: Path, output: str) -> LocalJob:
    watch = model.population_watch(THRESHOLD)
    return LocalJob(portfolio, portfolio.with_name(output), Written(kind="csv"), False, model, "7", watch)


def more_than(done: int, rows: list[int]) -> Callable[[], bool]:
    return lambda: rows[-1] > done


def scored_in_pieces(work: LocalJob, chunk_rows: int) -> tuple[Summary, int]:
    """The summary of a job that is stopped whenever it has done a chunk more, and how often it was."""
    inspected = work.prepare()
    inspected = inspected.model_copy(update={"order": inspected.order.model_copy(update={"chunk_rows": chunk_rows})})
    rows, done, stops = [0], 0, 0
    while True:
        try:
            summary = work.score(inspected, lambda each: rows.append(each.rows_done), more_than(done, rows))
        except Stopped:
            stops, done = stops + 1, max(rows)
        else:
            return summary, stops


def test_the_summary_names_what_has_drifted(loan_model: LoanModel, dataset: Dataset, portfolio: Path) -> None:
    work = job(loan_model, portfolio, "scored.parquet")
    summary = work.score(work.prepare(), lambda _: None, lambda: False)
    assert summary.drift is not None
    assert {name for name, drift in summary.drift.items() if drift.drifted} == {"bank_balance", "saving_rate", PD}
    watch = loan_model.population_watch(THRESHOLD)
    assert watch is not None
    rows = np.tile(dataset.applicants * np.array([1, 1.5, 1]), (3, 1))
    assert summary.drift == watch.drift(watch.counts(loan_model.features.matrix(rows), loan_model.pd(rows)))


def test_a_job_that_was_stopped_again_and_again_says_the_same(loan_model: LoanModel, portfolio: Path) -> None:
    whole = job(loan_model, portfolio, "whole.parquet")
    at_once = whole.score(whole.prepare(), lambda _: None, lambda: False)
    in_pieces, stops = scored_in_pieces(job(loan_model, portfolio, "parts.parquet"), chunk_rows=3_000)
    assert stops > 2
    assert in_pieces.drift == at_once.drift


def test_a_model_of_an_earlier_version_has_nothing_to_compare_with(loan_model: LoanModel, portfolio: Path) -> None:
    work = job(replace(loan_model, reference=None), portfolio, "scored.parquet")
    assert work.score(work.prepare(), lambda _: None, lambda: False).drift is None
