"""The coalescing scorer: everyone gets their own answer, in one XGBoost call per turn of the event loop."""

import asyncio
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest

from loan_default.api.scorer import Score, Scorer
from loan_default.model import LoanModel


class CountingModel(LoanModel):
    """A real model that counts its calls."""

    calls: list[int]

    def pd_of_features(self, matrix: np.ndarray) -> np.ndarray:
        self.calls.append(len(matrix))
        return super().pd_of_features(matrix)


@pytest.fixture
def counting(loan_model: LoanModel) -> CountingModel:
    model = CountingModel(**{field.name: getattr(loan_model, field.name) for field in fields(loan_model)})
    object.__setattr__(model, "calls", [])
    return model


def test_concurrent_callers_each_get_their_own_answer_from_one_call(counting: CountingModel) -> None:
    applicants = [[1.0, 1000.0 * i, 50_000.0] for i in range(100)]
    scorer = Scorer(counting)

    async def all_at_once() -> list[float]:
        scores = await asyncio.gather(*(scorer.submit([applicant], "rest") for applicant in applicants))
        return [score.pd for [score] in scores]

    answers = asyncio.run(all_at_once())
    assert counting.calls == [100]
    assert answers == [float(counting.pd(np.array([applicant]))[0]) for applicant in applicants]


def test_the_features_come_with_the_score(loan_model: LoanModel) -> None:
    async def one() -> list[float]:
        [score] = await Scorer(loan_model).submit([[1.0, 500.0, 1000.0]], "rest")
        return score.features

    assert asyncio.run(one()) == [1.0, 500.0, 1000.0, 0.5]


def test_lists_and_single_rows_of_one_turn_share_a_call_and_reasons_go_to_who_asked(counting: CountingModel) -> None:
    scorer = Scorer(counting)
    rows = [[1.0, 9000.0 * i, 50_000.0] for i in range(6)]

    async def mixed() -> Sequence[list[Score]]:
        return await asyncio.gather(
            scorer.submit(rows[:3], "native"),
            scorer.submit([rows[3]], "rest", with_reasons=True),
            scorer.submit([rows[4]], "rest"),
            scorer.submit([rows[5]], "rest", with_reasons=True),
        )

    found = asyncio.run(mixed())
    scores = [score for of_call in found for score in of_call]
    assert counting.calls[0] == 6
    assert [score.pd for score in scores] == counting.pd(np.array(rows)).tolist()
    expected = counting.explain(np.array(rows))
    assert [score.reasons for score in scores] == [None, None, None, expected[3], None, expected[5]]


def test_a_caller_that_went_away_does_not_disturb_the_others(loan_model: LoanModel) -> None:
    scorer = Scorer(loan_model)

    async def one_leaves() -> float:
        leaving, staying = scorer.submit([[1, 2, 3]], "rest"), scorer.submit([[0, 20_000, 100_000]], "rest")
        leaving.cancel()
        return (await staying)[0].pd

    assert asyncio.run(one_leaves()) == loan_model.pd(np.array([[0, 20_000, 100_000.0]]))[0]


def test_an_error_reaches_every_caller_and_the_next_batch_works(loan_model: LoanModel) -> None:
    scorer = Scorer(loan_model)

    async def broken_then_fine() -> tuple[list[object], float]:
        broken = await asyncio.gather(*(scorer.submit([[1.0]], "rest") for _ in range(2)), return_exceptions=True)
        return list(broken), (await scorer.submit([[1, 2, 3]], "rest"))[0].pd

    broken, pd = asyncio.run(broken_then_fine())
    assert all(isinstance(answer, Exception) for answer in broken)
    assert 0 < pd < 1
