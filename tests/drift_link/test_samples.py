"""Which predictions are sampled, and where they wait."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from loan_default.drift_link import Sampler, Samples
from loan_default.drift_link.samples import Waiting
from loan_default.metrics import DRIFT_DROPPED
from loan_default.model import LoanModel
from loan_default.served import Served

COLUMNS = 4


def sampler_of(samples: Samples, served: Served, model: LoanModel) -> Sampler:
    found = samples.sampler(served, model)
    assert found is not None
    return found


def numbered(rows: int, start: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    numbers = np.arange(start, start + rows)
    return np.repeat(numbers, COLUMNS).reshape(rows, COLUMNS).astype(np.float32), numbers.astype(np.float64)


def taken(samples: Samples) -> list[float]:
    found: list[float] = []
    while waiting := samples.take():
        assert (waiting.features[:, 0] == waiting.pd).all()
        found += waiting.pd.tolist()
    return found


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("rows", [1, 7, 64])
def test_each_row_is_sampled_as_often_as_asked_for(
    promoted: Served, loan_model: LoanModel, rate: float, rows: int
) -> None:
    samples = Samples(rate)
    sampler, offered = sampler_of(samples, promoted, loan_model), 0
    found: list[float] = []
    while offered < 40_000:
        sampler.offer(*numbered(rows, offered))
        offered += rows
        found += taken(samples)
    deviation = math.sqrt(offered * rate * (1 - rate))
    assert abs(len(found) - offered * rate) < 5 * deviation
    assert found == sorted(set(found))  # none twice
    halves = sum(number < offered / 2 for number in found)
    assert abs(halves - len(found) / 2) < 5 * math.sqrt(len(found)) / 2


def test_at_rate_one_every_row_is_sampled_and_at_zero_nobody_samples(promoted: Served, loan_model: LoanModel) -> None:
    samples = Samples(1.0)
    sampler_of(samples, promoted, loan_model).offer(*numbered(100))
    assert taken(samples) == list(range(100))
    assert Samples(0.0).sampler(promoted, loan_model) is None


def test_what_waits_is_bounded_and_what_is_dropped_is_counted(promoted: Served, loan_model: LoanModel) -> None:
    samples = Samples(1.0, most=250)
    sampler, before = sampler_of(samples, promoted, loan_model), dropped()
    for start in range(0, 1_000, 100):
        sampler.offer(*numbered(100, start))
    assert len(samples) == 200
    assert dropped() - before == 800
    assert taken(samples) == list(range(200))
    assert len(samples) == 0


def test_batches_hold_one_model_each_and_have_a_limit(promoted: Served, loan_model: LoanModel) -> None:
    samples = Samples(1.0)
    first, second = (sampler_of(samples, promoted, loan_model) for _ in range(2))
    for sampler, rows in ((first, 6_000), (first, 4_000), (first, 1), (second, 5), (first, 2)):
        sampler.offer(*numbered(rows))
    batches: list[Waiting] = []
    while waiting := samples.take():
        batches.append(waiting)
    found = [(waiting.sampler is first, len(waiting.pd)) for waiting in batches]
    assert found == [(True, 10_000), (True, 1), (False, 5), (True, 2)]


def test_what_is_sampled_does_not_change_with_the_arrays_it_came_from(promoted: Served, loan_model: LoanModel) -> None:
    samples = Samples(1.0)
    features, pd = numbered(10)
    sampler_of(samples, promoted, loan_model).offer(features, pd)
    features[:] = pd[:] = -1
    assert taken(samples) == list(range(10))


def dropped() -> float:
    return float(DRIFT_DROPPED.labels("overrun")._value.get())  # noqa: SLF001  # there is no public way
