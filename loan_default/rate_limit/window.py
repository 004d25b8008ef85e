"""The law of the limit: a sliding window that needs two counts, whatever the limit.

A minute begins with the first call that finds none running. What was used in the minute before counts in proportion to
the part of it that the last sixty seconds still cover. Decision 0011 compares it with the other known laws.
"""

from math import ceil
from typing import NamedTuple

from loan_default.errors import RateLimited

WINDOW_S = 60


class Allowance(NamedTuple):
    """What a key may still do.

    Attributes:
        limit: applicants a minute; 0 stands for no limit.
        remaining: applicants that may be scored right now.
        reset_s: whole seconds until the present minute is over.
    """

    limit: int
    remaining: int
    reset_s: int


UNLIMITED = Allowance(0, 0, 0)


class Window(NamedTuple):
    """The state of a key: what was used in the minute before and in the present one, and the seconds left of it."""

    before: int
    now: int
    left_s: float

    @property
    def used(self) -> int:
        """What counts against the limit at this moment."""
        return int(self.before * self.left_s / WINDOW_S) + self.now

    def wait_s(self, limit: int, cost: int) -> float:
        """Seconds until `cost`, at most `limit`, fits, when nothing else is used in between."""
        room = limit - cost - self.now  # for what is left of the minute before
        if room >= 0:
            return _until_at_most(room, self.before, self.left_s)
        return self.left_s + _until_at_most(limit - cost, self.now, WINDOW_S)


def refusal(window: Window, limit: int, cost: int) -> RateLimited:
    """The error that says how long to wait, for a cost that does not fit now."""
    remaining, reset_s = max(0, limit - window.used), ceil(window.left_s)
    if cost > limit:
        return RateLimited(
            f"These are {cost:,} applicants, and the key's limit is {limit:,} a minute: send at most {limit:,}.",
            limit,
            remaining,
            reset_s,
            None,
        )
    wait_s = int(window.wait_s(limit, cost)) + 1  # after that moment, not at it
    message = f"The key's limit of {limit:,} applicants a minute is used up: try again in {wait_s} s."
    if remaining:
        message = f"{cost:,} applicants are more than the {remaining:,} left of the key's limit of {limit:,} a minute: "
        message += f"try again in {wait_s} s."
    return RateLimited(message, limit, remaining, reset_s, wait_s)


def headers(allowance: Allowance) -> list[tuple[bytes, bytes]]:
    """The standard headers of an answer; none when there is no limit."""
    limit, remaining, reset_s = allowance
    if not limit:
        return []
    return [
        (b"ratelimit-limit", b"%d" % limit),
        (b"ratelimit-remaining", b"%d" % remaining),
        (b"ratelimit-reset", b"%d" % reset_s),
    ]


def _until_at_most(most: int, count: int, left_s: float) -> float:
    """Seconds until int(count * left / 60) is at most `most`, when `left_s` of the minute are left now."""
    if count <= most:
        return 0
    return max(0.0, left_s - (most + 1) * WINDOW_S / count)
