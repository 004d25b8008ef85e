"""The first answer to SIGTERM: say that the server is not ready any more, and stop a little later.

A balancer sends calls until its next look at readiness. A server that stops at once breaks those.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType


def before_sigterm(loop: asyncio.AbstractEventLoop, begin: Callable[[], None], delay_s: float) -> None:
    """At SIGTERM call `begin`, and hand the signal on to its present handler (the server's) `delay_s` seconds later.

    A second SIGTERM is handed on at once. Outside of a main thread, where Python has no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    stop = signal.getsignal(signal.SIGTERM)
    if not callable(stop):  # nobody serves here: a test, or a program that only looks
        return

    def first(number: int, _: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, stop)
        begin()
        loop.call_soon_threadsafe(lambda: loop.call_later(delay_s, stop, number, None))

    signal.signal(signal.SIGTERM, first)
