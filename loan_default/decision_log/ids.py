"""Names of decisions: UUIDs of version 7, written as 32 hexadecimal digits, so that they sort by time.

12 digits of milliseconds since 1970, a 7, 3 random digits, an 8, 15 random digits: 72 random bits from the operating
system, which no process shares with another and nobody guesses. A clock that goes backwards makes ids that sort
earlier, never two that are equal.
"""

import os
import re
import time

from loan_default.errors import NoSuchDecision

_TIME_DIGITS = 12
_RANDOM_BYTES = 9
# Random parts made in one go: asking the operating system for each would take longer than all the rest.
_IN_STOCK = 256
_ID = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}8[0-9a-f]{15}")


def new_decision_id() -> str:
    """A name for a decision that is made now."""
    try:
        random_part = _stock.pop()
    except IndexError:
        random_part = _restock()
    return f"{time.time_ns() // 1_000_000:012x}{random_part}"


def milliseconds_of(decision_id: str) -> int:
    """When the decision was made, by the clock of its machine: Unix time in milliseconds."""
    return int(decision_id[:_TIME_DIGITS], 16)


def first_id_at(milliseconds: int) -> str:
    """What sorts before every id of that millisecond and after every earlier one."""
    return f"{max(milliseconds, 0):012x}"


def parse_decision_id(text: str) -> str:
    """An id as somebody typed it: any letter case, with or without a UUID's dashes.

    Raises:
        NoSuchDecision: it is no id of ours.
    """
    decision_id = text.strip().lower().replace("-", "")
    if not _ID.fullmatch(decision_id):
        raise NoSuchDecision("That is no decision id: it has 32 digits from 0 to f, as an answer's decision_id shows.")
    return decision_id


_stock: list[str] = []
os.register_at_fork(after_in_child=_stock.clear)  # a child must not use what its parent will use


def _restock() -> str:
    digits = os.urandom(_RANDOM_BYTES * _IN_STOCK).hex()
    parts = [digits[i : i + 2 * _RANDOM_BYTES] for i in range(0, len(digits), 2 * _RANDOM_BYTES)]
    made = [f"7{part[:3]}8{part[3:]}" for part in parts]
    last = made.pop()
    _stock.extend(made)
    return last
