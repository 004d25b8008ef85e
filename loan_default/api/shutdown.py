"""The first answer to SIGTERM: say that the server is not ready any more, and stop a little later.

A balancer sends calls until its next look at readiness. A server that stops at once breaks those.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn

from loan_default.api.in_progress import CALL_SECONDS
from loan_default.api.listening import Listening

# By then every call was answered or cancelled; who has not read its answer yet is not waited for.
_MOST_SECONDS = int(CALL_SECONDS) + 2


def before_sigterm(
    loop: asyncio.AbstractEventLoop, begin: Callable[[], None], delay_s: float, listening: Listening
) -> None:
    """At SIGTERM call `begin`, and `delay_s` seconds later end listening and hand the signal on to the server.

    A second SIGTERM is handed on at once. Where no server handles the signal (a test, a program that only looks, not
    the main thread), nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    stop = signal.getsignal(signal.SIGTERM)
    server = getattr(stop, "__self__", None)
    if not callable(stop) or not isinstance(server, uvicorn.Server):
        return

    def hand_on() -> None:
        listening.end(server)
        if server.config.timeout_graceful_shutdown is None:
            server.config.timeout_graceful_shutdown = _MOST_SECONDS
        stop(signal.SIGTERM, None)

    def start() -> None:
        begin()
        loop.call_later(delay_s, hand_on)

    # A handler runs between any two instructions, in the middle of a log line too: it only leaves a word for the loop.
    def first(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, second)
        loop.call_soon_threadsafe(start)

    def second(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, stop)
        stop(number, frame)
        loop.call_soon_threadsafe(listening.end, server)

    signal.signal(signal.SIGTERM, first)
