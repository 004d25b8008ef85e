"""Limits wrong keys per client address, so that keys cannot be guessed by trying.

An address that sent too many wrong keys within a minute is blocked until that minute is over: a key not accepted from
it before is refused, right or wrong. Callers that were accepted from that address go on, so that nobody locks out
the others behind the same proxy.
"""

import ipaddress
import time
from collections.abc import Callable
from math import ceil

from loguru import logger

_WINDOW_S = 60.0
# Strangers decide how many addresses there are; we decide how many we remember. The oldest is forgotten first.
_MOST_ADDRESSES = 10_000
_MOST_PAIRS = 10_000
# Of any address in text. Behind a proxy that lets callers write what they like, theirs is as long as a header may be.
_LONGEST_ADDRESS = 45


class FailedAttempts:
    """Counts wrong keys in this process.

    Args:
        per_minute: how many wrong keys an address may send within a minute; 0 switches the limit off.
        clock: seconds that never jump.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = per_minute
        self._clock = clock
        self._failed: dict[str, tuple[float, int]] = {}  # address: start of its minute, wrong keys in it
        self._accepted: dict[tuple[str, str], None] = {}  # (address, key id), oldest first

    def admits(self, address: str, key_id: str) -> bool:
        """Whether a valid key may come from this address now. Remembers that it did."""
        pair = (address[:_LONGEST_ADDRESS], key_id)
        if pair in self._accepted:
            return True
        if self.blocked_s(address):
            return False
        if len(self._accepted) >= _MOST_PAIRS:
            del self._accepted[next(iter(self._accepted))]
        self._accepted[pair] = None
        return True

    def blocked_s(self, address: str) -> int:
        """For how many seconds from now the address is blocked; 0 when it is not."""
        if not self._failed:
            return 0
        start, count = self._failed.get(_network(address), (0.0, 0))
        left = start + _WINDOW_S - self._clock()
        return ceil(left) if self._most and count >= self._most and left > 0 else 0

    def failed(self, address: str) -> None:
        """Count a wrong key from an address that is not blocked."""
        if not self._most:
            return
        network, now = _network(address), self._clock()
        start, count = self._failed.get(network, (now, 0))
        if now - start >= _WINDOW_S:
            start, count = now, 0
        if not count:
            self._failed.pop(network, None)  # the order of the dict is that of the minutes
            if len(self._failed) >= _MOST_ADDRESSES:
                del self._failed[next(iter(self._failed))]
        self._failed[network] = (start, count + 1)
        if count + 1 == self._most:
            logger.warning(
                "{} wrong keys from {} within a minute: it is blocked until that is over", count + 1, network
            )


def _network(address: str) -> str:
    """What one stranger has at least: an IPv4 address, or 64 bits of IPv6. What is no address is one stranger, too."""
    try:
        full = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(full, ipaddress.IPv4Address):
        return str(full)
    return str(full.ipv4_mapped or ipaddress.IPv6Network((full, 64), strict=False))
