"""How a fitted model behaves: its directions of risk, extreme applicants, and what must not change an answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loan_default.model import LoanModel
from loan_default.training.data import Dataset

SALARIES = st.floats(1, 1e7) | st.floats(0, exclude_min=True, allow_infinity=False)
BALANCES = st.floats(0, 1e5) | st.floats(0, allow_infinity=False)
EMPLOYED = st.sampled_from([0.0, 1.0])


def pds(model: LoanModel, *applicants: tuple[float, float, float]) -> NDArray[np.float64]:
    """The PDs of applicants given as (employed, bank balance, annual salary)."""
    return model.pd(np.array(applicants))


@settings(deadline=None, max_examples=300)
@given(employed=EMPLOYED, balances=st.tuples(BALANCES, BALANCES), salary=SALARIES)
def test_a_higher_balance_never_lowers_the_pd(
    loan_model: LoanModel, employed: float, balances: tuple[float, float], salary: float
) -> None:
    low, high = pds(loan_model, (employed, min(balances), salary), (employed, max(balances), salary))
    assert low <= high


@settings(deadline=None, max_examples=300)
@given(employed=EMPLOYED, balance=BALANCES, salaries=st.tuples(SALARIES, SALARIES))
def test_a_higher_salary_never_raises_the_pd(
    loan_model: LoanModel, employed: float, balance: float, salaries: tuple[float, float]
) -> None:
    poor, rich = pds(loan_model, (employed, balance, min(salaries)), (employed, balance, max(salaries)))
    assert rich <= poor


@pytest.fixture(scope="module")
def grid(loan_model: LoanModel) -> NDArray[np.float64]:
    """PDs over the range of the data: 2 (employed) × 60 balances × 60 salaries, each rising."""
    axes = np.meshgrid([0.0, 1.0], np.linspace(0, 35_000, 60), np.linspace(5_000, 900_000, 60), indexing="ij")
    return loan_model.pd(np.column_stack([axis.ravel() for axis in axes])).reshape(2, 60, 60)


def test_the_pd_rises_with_the_balance_wherever_the_data_are(grid: NDArray[np.float64]) -> None:
    assert (np.diff(grid, axis=1) >= 0).all()
    assert (grid[:, -1] > 10 * grid[:, 0]).all()


def test_the_pd_falls_with_the_salary_wherever_the_data_are(grid: NDArray[np.float64]) -> None:
    assert (np.diff(grid, axis=2) <= 0).all()
    assert (grid[:, :, -1] < grid[:, :, 0]).any()


@pytest.mark.parametrize("employed", [0.0, 1.0])
@pytest.mark.parametrize("balance", [0.0, 5e-324, 1.7976931348623157e308])
@pytest.mark.parametrize("salary", [5e-324, 1.0, 1.7976931348623157e308])
def test_extreme_applicants_have_a_pd_between_0_and_1(
    loan_model: LoanModel, employed: float, balance: float, salary: float
) -> None:
    assert 0 < pds(loan_model, (employed, balance, salary))[0] < 1


def test_a_huge_debt_is_high_and_none_is_low(loan_model: LoanModel) -> None:
    worst, best = pds(loan_model, (0, 1e308, 1e4), (0, 0, 1e6))
    assert loan_model.decision.band(worst) == "High"
    assert loan_model.decision.band(best) == "Low"


def test_a_negative_zero_is_a_zero(loan_model: LoanModel) -> None:
    assert len(set(pds(loan_model, (0.0, 0.0, 1e4), (-0.0, -0.0, 1e4)).tolist())) == 1


def test_the_order_of_rows_does_not_matter(loan_model: LoanModel, dataset: Dataset) -> None:
    order = np.random.default_rng(0).permutation(len(dataset))
    assert loan_model.pd(dataset.applicants[order]).tobytes() == loan_model.pd(dataset.applicants)[order].tobytes()


def test_repeated_rows_get_the_same_answer(loan_model: LoanModel, dataset: Dataset) -> None:
    once = loan_model.pd(dataset.applicants[:100])
    assert loan_model.pd(np.repeat(dataset.applicants[:100], 7, axis=0)).tobytes() == np.repeat(once, 7).tobytes()


def test_asking_changes_nothing(loan_model: LoanModel, dataset: Dataset) -> None:
    rows = dataset.applicants[:100].copy()
    assert loan_model.pd(rows).tobytes() == loan_model.pd(rows).tobytes()
    assert rows.tobytes() == dataset.applicants[:100].tobytes()


def test_the_mean_pd_is_near_the_base_rate(loan_model: LoanModel, dataset: Dataset) -> None:
    assert loan_model.pd(dataset.applicants).mean() == pytest.approx(0.0333, rel=0.05)


@pytest.mark.parametrize("employed", [0, 1])
def test_the_mean_pd_of_students_and_of_employed_is_near_theirs(
    loan_model: LoanModel, dataset: Dataset, employed: int
) -> None:
    chosen = dataset.rows(dataset.applicants[:, 0] == employed)
    assert loan_model.pd(chosen.applicants).mean() == pytest.approx(chosen.target.mean(), rel=0.1)
