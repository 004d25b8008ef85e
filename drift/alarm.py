"""When an alarm is raised, and when it is cleared, so that it neither cries wolf nor flaps.

A PSI far beyond what chance explains raises an alarm at once. One that is only just beyond does when it still is after
a quarter of the window's samples are new: checks that follow each other look at mostly the same samples, so another
look alone says nothing new. An alarm is cleared when PSI is well below its limit, and still is after another quarter.
The numbers were chosen by simulation (docs/drift.md, `python -m benchmarks.drift_monitor`).
"""

from loan_default.decision import Stored
from loan_default.psi import Drift

# How many times the critical value is beyond all chance.
SURE = 2.0
# The share of the window's samples that must be new for another look to count.
NEW_SHARE = 0.25
# The share of the limit that is well below it.
WELL_BELOW = 0.7


class Alarm(Stored):
    """The alarm of one column.

    Attributes:
        since: when it was raised, Unix time; None while it is not.
        doubted: how many samples had ever been taken when checks began to speak for the other state; None while they
            speak for this one.
    """

    since: float | None = None
    doubted: int | None = None

    def after(self, found: Drift, threshold: float, samples: int, taken: int, at: float) -> "Alarm":
        """The alarm after a check.

        Args:
            found: what the check found.
            threshold: from which PSI on a shift matters.
            samples: in the window.
            taken: samples that were ever taken.
            at: when, Unix time.
        """
        on = self.since is not None
        other = found.psi < WELL_BELOW * max(threshold, found.critical) if on else found.drifted
        if not other:
            return Alarm(since=self.since)
        doubted = taken if self.doubted is None else self.doubted
        sure = not on and found.psi > SURE * found.critical
        if sure or taken - doubted >= NEW_SHARE * samples:
            return Alarm(since=None if on else at)
        return Alarm(since=self.since, doubted=doubted)
