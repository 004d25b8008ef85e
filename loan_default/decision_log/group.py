"""Decisions whose callers wait until they are kept: those of one turn of the event loop."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from loan_default import metrics
from loan_default.decision_log.record import Decided
from loan_default.errors import DecisionLogUnavailable


class _Caller(NamedTuple):
    decided: Sequence[Decided]
    done: asyncio.Future[None]


class Group:
    """Used from within the event loop, except for `given_up` and reading its decisions.

    Attributes:
        loop: whose turn it is.
        size: how many decisions it has.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.size = 0
        self._callers: list[_Caller] = []
        self._timer: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[Decided]:
        return (decided for caller in self._callers for decided in caller.decided)

    def add(self, decided: Sequence[Decided], done: asyncio.Future[None]) -> None:
        """Add the decisions of one caller."""
        self._callers.append(_Caller(decided, done))
        self.size += len(decided)

    def refuse_after(self, seconds: float) -> None:
        """Let nobody wait longer than that."""
        message = f"The decision log took longer than {seconds:g} s; try again later."
        self._timer = self.loop.call_later(seconds, self.settle, DecisionLogUnavailable(message))

    @property
    def given_up(self) -> bool:
        """Whether nobody waits any more: the time is over, or the callers have gone away."""
        return all(caller.done.done() for caller in self._callers)

    def settle(self, error: DecisionLogUnavailable | None, unrecordable: frozenset[str] = frozenset()) -> None:
        """Tell everybody who still waits.

        Args:
            error: why nothing was kept; None when it was.
            unrecordable: ids of decisions that could not be kept all the same; only their callers are refused.
        """
        if self._timer is not None:
            self._timer.cancel()
        for decided, done in self._callers:
            if done.done():
                continue
            its_error = error
            if unrecordable and any(one.decision_id in unrecordable for one in decided):
                its_error = DecisionLogUnavailable("This decision cannot be recorded, so it is not given.")
            if its_error is None:
                done.set_result(None)
            else:
                metrics.DECISIONS_REFUSED.inc(len(decided))
                done.set_exception(its_error)
