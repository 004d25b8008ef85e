"""An hour of traffic in short: each shift raises the alarms that it should, and quiet none."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.drift_hour import Alarm, Hour, played
from benchmarks.drift_picture import draw
from benchmarks.shifts import SHIFTS, Simulation, balance
from loan_default.schema import Schema
from loan_default.settings import Settings
from loan_default.training.data import Dataset


@pytest.fixture(scope="module")
def simulation(dataset: Dataset, schema: Schema) -> Simulation:
    return Simulation(dataset, schema)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_hour_of_quiet_and_shifts_raises_exactly_the_alarms_that_it_should(
    simulation: Simulation, settings: Settings, tmp_path: Path, seed: int
) -> None:
    hour = played(simulation, SHIFTS, settings, seed, batch_s=10)
    assert hour.phases[-1].end == 3_600
    assert hour.wrong() == []
    draw(hour, settings.drift_psi_threshold, tmp_path / "hour.svg")
    assert "bank_balance" in (tmp_path / "hour.svg").read_text()


def test_a_shift_that_is_not_seen_is_told(simulation: Simulation, settings: Settings) -> None:
    hour = played(simulation, [balance(1.01)], settings, 1, batch_s=10)
    assert hour.wrong() == ["balance +1% was not seen in bank_balance"]


def test_alarms_without_a_reason_are_told(simulation: Simulation, settings: Settings) -> None:
    hour = played(simulation, [balance(1.4)], settings, 1, batch_s=10)
    assert hour.wrong() == []
    others = (
        (Alarm("bank_balance", 120.0, 180.0), "bank_balance was alarmed at 120 s of quiet"),
        (Alarm("employed", 300.0, 360.0), "employed was alarmed by balance +40%"),
        (Alarm("PD", 300.0, None), "the alarm of PD by balance +40% was not cleared in time"),
    )
    for alarm, said in others:
        assert replace(hour, alarms=[*hour.alarms, alarm]).wrong() == [said]


def test_nothing_seen_is_wrong() -> None:
    assert Hour([]).wrong() == []
