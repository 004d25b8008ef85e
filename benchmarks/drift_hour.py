"""An hour of traffic for the drift monitor: quiet, each shift in its turn, quiet between them; docs/drift.md shows it.

    python -m benchmarks.drift_hour                        prints every alarm
    python -m benchmarks.drift_hour --picture drift.svg    and draws the hour

The monitor is the real one with default settings, only its clock is played: a hundred predictions a second, of which
DRIFT_SAMPLING_RATE are sampled, handed over every second, and a check every DRIFT_CHECK_INTERVAL_S.
"""
# ruff: noqa: INP001, T201  # a script that prints what it measured

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.shifts import SHIFTS, Shift, Simulation
from drift.monitor import Monitor
from loan_default.schema import DEFAULT_SCHEMA, load_schema
from loan_default.settings import Settings
from loan_default.training.data import read_dataset

DATA = Path(__file__).resolve().parent.parent / "data" / "Default_Fin.csv"
PREDICTIONS_PER_S = 100
QUIET_S = 240
SHIFTED_S = 320


@dataclass(frozen=True)
class Phase:
    """A part of the hour: from when to when, in seconds, and what the applicants are like; None as in training."""

    start: int
    end: int
    shift: Shift | None


@dataclass(frozen=True)
class Alarm:
    """An alarm: of which column, and from when to when, in seconds; None while it is on at the end."""

    column: str
    raised: float
    cleared: float | None


@dataclass
class Hour:
    """What was seen: the time of each check, the PSIs then, and the alarms."""

    phases: Sequence[Phase]
    checked: list[float] = field(default_factory=list)
    psi: dict[str, list[float]] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)

    def wrong(self) -> list[str]:
        """What should not have been, in sentences: shifts that were not seen, alarms without a reason."""
        return [*self._unseen(), *self._unfounded()]

    def _unseen(self) -> Iterator[str]:
        for phase in self.phases:
            seen = any(
                alarm.column == phase.shift.seen_in and phase.start < alarm.raised <= phase.end
                for alarm in self.alarms
                if phase.shift
            )
            if phase.shift and not seen:
                yield f"{phase.shift.name} was not seen in {phase.shift.seen_in}"

    def _unfounded(self) -> Iterator[str]:
        """Alarms outside of a shift, of a column it does not touch, or still on when the next one begins."""
        for alarm in self.alarms:
            phase = next(phase for phase in self.phases if phase.start < alarm.raised <= phase.end)
            shift = phase.shift
            if shift is None:
                yield f"{alarm.column} was alarmed at {alarm.raised:.0f} s of quiet"
            elif alarm.column != shift.seen_in and alarm.column not in shift.follows:
                yield f"{alarm.column} was alarmed by {shift.name}"
            elif alarm.cleared is None or alarm.cleared > phase.end + QUIET_S:
                yield f"the alarm of {alarm.column} by {shift.name} was not cleared in time"


def played(simulation: Simulation, shifts: Sequence[Shift], settings: Settings, seed: int, batch_s: int = 1) -> Hour:
    """Play quiet, each of the shifts, and quiet after each.

    Args:
        simulation: the model, and the applicants.
        shifts: in this order.
        settings: of the monitor.
        seed: of the applicants.
        batch_s: how many seconds' samples are handed over at once; must divide the interval of checks.
    """
    hour = Hour(_phases(shifts))
    generator = np.random.default_rng(seed)
    monitor = Monitor(settings, 0.0)
    monitor.introduce(simulation.introduction(), 0.0)
    on: dict[str, float] = {}
    for now in range(batch_s, hour.phases[-1].end + 1, batch_s):
        shift = next(phase.shift for phase in hour.phases if phase.start < now <= phase.end)
        count = generator.binomial(PREDICTIONS_PER_S * batch_s, settings.drift_sampling_rate)
        if count:
            monitor.take(simulation.batch(simulation.applicants(int(count), generator, shift)), float(now))
        if now % settings.drift_check_interval_s == 0 and monitor.check(float(now)) is not None:
            _note(hour, monitor, on, now)
    hour.alarms += [Alarm(name, raised, None) for name, raised in on.items()]
    monitor.close()
    return hour


def main(
    picture: Annotated[Path | None, typer.Option(help="Where to draw the hour, .svg or .png.")] = None,
    seed: int = 7,
) -> None:
    """Play an hour of traffic."""
    schema = load_schema(DEFAULT_SCHEMA)
    simulation = Simulation(read_dataset(DATA, schema), schema)
    with tempfile.TemporaryDirectory() as state:
        hour = played(simulation, SHIFTS, Settings(_env_file=None, state_dir=Path(state)), seed)
    print("| shift | from, min:s | to | alarm of | raised after | cleared after the shift's end |")
    print("|---|---|---|---|---|---|")
    for phase in hour.phases:
        if phase.shift is not None:
            _print(hour, phase, phase.shift)
    wrong = hour.wrong()
    print("\n" + ("\n".join(wrong) if wrong else "Exactly the alarms that there should be."))
    if picture is not None:
        from benchmarks.drift_picture import draw

        draw(hour, Settings(_env_file=None).drift_psi_threshold, picture)
    if wrong:
        raise typer.Exit(1)


def _phases(shifts: Sequence[Shift]) -> list[Phase]:
    phases = [Phase(0, QUIET_S, None)]
    for shift in shifts:
        start = phases[-1].end
        phases += [Phase(start, start + SHIFTED_S, shift), Phase(start + SHIFTED_S, start + SHIFTED_S + QUIET_S, None)]
    return phases


def _note(hour: Hour, monitor: Monitor, on: dict[str, float], now: float) -> None:
    """Note what a check has found."""
    hour.checked.append(now)
    for name, column in monitor.verdict().columns.items():
        hour.psi.setdefault(name, []).append(column.psi)
        if column.drifted and name not in on:
            on[name] = now
        elif not column.drifted and name in on:
            hour.alarms.append(Alarm(name, on.pop(name), now))


def _print(hour: Hour, phase: Phase, shift: Shift) -> None:
    for alarm in sorted(hour.alarms, key=lambda alarm: (alarm.raised, alarm.column != shift.seen_in)):
        if phase.start < alarm.raised <= phase.end:
            cleared = "never" if alarm.cleared is None else f"{alarm.cleared - phase.end:.0f} s"
            minutes = " | ".join(f"{at // 60}:{at % 60:02}" for at in (phase.start, phase.end))
            print(f"| {shift.name} | {minutes} | {alarm.column} | {alarm.raised - phase.start:.0f} s | {cleared} |")


if __name__ == "__main__":
    typer.run(main)
