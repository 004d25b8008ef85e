"""Which rows of a job enter the live window: the same ones however often it is stopped, so that none counts twice."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pyarrow.fs import LocalFileSystem

from loan_default.bulk.inspect import inspect
from loan_default.bulk.live import Drawn, Live
from loan_default.bulk.order import Written
from loan_default.bulk.run import Stopped, Work, run
from loan_default.bulk.summary import Summary
from loan_default.drift_link.messages import MOST_ROWS, Rows
from loan_default.model import LoanModel
from loan_default.storage import LocalFolder, Place
from loan_default.training.data import Dataset


def numbers(drawn: Drawn, rows: int) -> NDArray[np.int64]:
    """Which rows are drawn, by a feature that is the row's own number."""
    asked = np.arange(1, rows + 1)
    found = drawn.of(asked, asked.astype(np.float32)[:, None], asked.astype(np.float64))
    return np.array([]) if found is None else found.arrays(1)[1].astype(np.int64)


@pytest.mark.parametrize(
    ("rows", "share", "most", "count"),
    [(20_000, 0.1, 5_000, 2_000), (20_000, 0.1, 1_000, 1_000), (10, 1.0, 1_000, 10), (50_000, 1.0, 10**6, MOST_ROWS)],
)
def test_a_share_is_drawn_up_to_a_window(rows: int, share: float, most: int, count: int) -> None:
    drawn = Drawn(rows, share, most, "a-job")
    found = numbers(drawn, rows)
    assert len(found) == len(set(found.tolist())) == count
    assert 1 <= found.min() <= found.max() <= rows
    assert abs(found.mean() - rows / 2) < rows / 10 or rows == 10  # from everywhere


def test_the_same_job_draws_the_same_and_another_one_others() -> None:
    first, again, other = (numbers(Drawn(5_000, 0.1, 1_000, seed), 5_000) for seed in ("a", "a", "b"))
    assert np.array_equal(first, again)
    assert len(np.intersect1d(first, other)) < 100


def test_small_portfolios_give_their_share_on_the_whole() -> None:
    total = sum(len(Drawn(3, 0.1, 1_000, f"job-{i}")) for i in range(2_000))
    assert 500 < total < 700


class Taking:
    """Takes what is handed over."""

    def __init__(self) -> None:
        self.given: list[Sequence[Rows]] = []

    def __call__(self, drawn: Sequence[Rows]) -> int:
        self.given.append(drawn)
        return sum(rows.rows for rows in drawn)


@pytest.fixture
def work(loan_model: LoanModel, dataset: Dataset, tmp_path: Path) -> Callable[[str, Live | None], Work]:
    """A job of 10,000 rows in chunks of 700, a bad one among them."""
    path = tmp_path / "portfolio.csv"
    np.savetxt(path, dataset.applicants, "%.17g", ",", header="employed,bank_balance,annual_salary", comments="")
    lines = path.read_text().splitlines()
    lines[8] = "oops,1,1"
    path.write_text("\n".join(lines) + "\n")
    place = Place(LocalFileSystem(), str(path))
    order = inspect(place, loan_model.schema, Written(kind="csv")).order.model_copy(update={"chunk_rows": 700})

    def made(name: str, live: Live | None) -> Work:
        return Work(order, place, LocalFolder(tmp_path / name), loan_model, "7", threads=2, live=live)

    return made


def arrays(drawn: Sequence[Rows]) -> list[NDArray[np.generic]]:
    features, pds = zip(*(rows.arrays(4) for rows in drawn), strict=True)
    return [np.concatenate(features), np.concatenate(pds)]


def test_a_job_that_is_stopped_again_and_again_gives_the_same_rows_once(
    work: Callable[[str, Live | None], Work], loan_model: LoanModel, dataset: Dataset
) -> None:
    at_once, in_pieces = Taking(), Taking()
    drawn = Drawn(10_000, 0.1, 5_000, "a-job")
    summary = run(work("whole", Live(drawn, at_once)), lambda _: None, lambda: False)
    done, stops = [0], 0
    while True:
        before = max(done)
        try:
            # As a worker does that was started anew: it draws again.
            again = Live(Drawn(10_000, 0.1, 5_000, "a-job"), in_pieces)
            run(work("pieces", again), lambda each: done.append(each.rows_done), lambda: done[-1] > before)  # noqa: B023
        except Stopped:
            stops += 1
        else:
            break
    assert stops > 5
    assert len(at_once.given) == len(in_pieces.given) == 1
    assert all(map(np.array_equal, arrays(at_once.given[0]), arrays(in_pieces.given[0])))
    chosen = numbers(drawn, 10_000)
    applicants = dataset.applicants[chosen[chosen != 8] - 1]
    features, pds = arrays(at_once.given[0])
    assert np.array_equal(features, loan_model.features.matrix(applicants))
    assert np.array_equal(pds, loan_model.pd(applicants))
    assert summary.live_samples == len(applicants)


def test_without_being_asked_nothing_is_said_of_it(work: Callable[[str, Live | None], Work]) -> None:
    made = work("plain", None)
    assert run(made, lambda _: None, lambda: False).live_samples is None
    written = made.folder.read("summary.json")
    assert b"live_samples" not in written  # workers of an earlier version read it, too
    assert Summary.model_validate_json(written).live_samples is None
