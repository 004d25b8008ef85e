"""When an alarm is raised, and when it is cleared: by several checks in a row, so that it does not flap.

Checks that follow each other look at mostly the same samples, so a check counts as a further one only when a part of
the window is new; with few samples coming in, the same accident would otherwise be seen twice, and taken for two.
"""

from loan_default.decision import Stored
from loan_default.psi import Drift

# Checks in a row that are over both limits, until there is an alarm.
RAISED_BY = 2
# Checks in a row that are well below one of them, until there is none any more.
CLEARED_BY = 3
# What is well below: this share of the higher limit.
CLEAR_BELOW = 0.8
# A check is a further one when at least this share of the window's samples has come in since the last.
NEW_SHARE = 0.05


class Alarm(Stored):
    """The alarm of one column.

    Attributes:
        since: when it was raised, Unix time; None while it is not.
        streak: how many checks in a row spoke for the other state.
    """

    since: float | None = None
    streak: int = 0

    def after(self, found: Drift, threshold: float, at: float) -> "Alarm":
        """The alarm after a further check.

        Args:
            found: what the check found.
            threshold: from which PSI on a shift matters.
            at: when, Unix time.
        """
        if self.since is None:
            streak = self.streak + 1 if found.drifted else 0
            return Alarm(since=at) if streak >= RAISED_BY else Alarm(streak=streak)
        calm = found.psi < CLEAR_BELOW * max(threshold, found.critical)
        streak = self.streak + 1 if calm else 0
        return Alarm() if streak >= CLEARED_BY else Alarm(since=self.since, streak=streak)
