"""Draws an hour of `drift_hour.py`: the PSI of each column over time, the shifts behind it, the alarms below."""
# ruff: noqa: INP001

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.drift_hour import Hour

_COLOURS = ("#1f5fbf", "#c2571a", "#1c7d4d", "#8a4fb0", "#222b36")


def draw(hour: Hour, threshold: float, to: Path) -> None:
    """Draw it.

    Args:
        hour: what was seen.
        threshold: the PSI from which a shift matters.
        to: the file, .svg or .png.
    """
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.1))
    colours = dict(zip(hour.psi, _COLOURS, strict=False))
    minutes = [at / 60 for at in hour.checked]
    for name, values in hour.psi.items():
        above.plot(minutes, values, color=colours[name], label=name, linewidth=1.6, marker=".", markersize=4)
    above.axhline(threshold, color="#a3190f", linestyle="--", linewidth=1.2, label=f"threshold, {threshold:g}")
    above.set(yscale="log", ylim=(0.003, 30), ylabel="PSI", xlim=(0, hour.phases[-1].end / 60))
    above.set_yticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    figure.legend(loc="outside upper center", ncols=6, frameon=False, fontsize=9)
    for place, name in enumerate(hour.psi):
        for alarm in hour.alarms:
            if alarm.column == name:
                end = hour.phases[-1].end if alarm.cleared is None else alarm.cleared
                below.barh(place, (end - alarm.raised) / 60, left=alarm.raised / 60, height=0.6, color=colours[name])
    below.set_yticks(range(len(hour.psi)), list(hour.psi))
    below.set(xlabel="minutes", ylabel="alarms", ylim=(len(hour.psi) - 0.4, -0.6))
    for axes in (above, below):
        _shade(axes, hour)
    for phase in hour.phases:
        if phase.shift is not None:
            above.text(
                (phase.start + phase.end) / 120, 24, _wrapped(phase.shift.name), ha="center", va="top", fontsize=8
            )
    figure.savefig(to, dpi=110, metadata={"Date": None} if to.suffix == ".svg" else None)


def _shade(axes: Axes, hour: Hour) -> None:
    for phase in hour.phases:
        if phase.shift is not None:
            axes.axvspan(phase.start / 60, phase.end / 60, color="#eef1f5", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#e3e7ec", linewidth=0.6)


def _wrapped(name: str) -> str:
    """A few words a line, as narrow as a shift is long."""
    lines = [""]
    for word in name.split():
        if len(lines[-1]) + len(word) > 14:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
