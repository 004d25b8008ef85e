"""What BentoML's supervisor must do otherwise: keep its commands to its owner, and in a container end with the dead.

`bentoml serve` runs its workers by Circus, which takes commands on a TCP port of loopback and asks nobody who they are:
any user of the machine could read the workers' environment, the keys in it included, and have programs run as the
server's user. BentoML has no setting for it, so the addresses are changed where Circus is told them.
"""

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import click

from loan_default.deathwatch import EXIT_CODE, LOOK_S, Deathwatch
from loan_default.logs import configure_logging
from loan_default.settings import Settings


def take_over(settings: Settings) -> None:
    """Change what must be otherwise, in the process of `bentoml serve` itself; elsewhere do nothing. Safe to repeat."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "serve":
        return
    configure_logging(settings)  # for the supervisor's own lines
    from circus.arbiter import Arbiter  # type: ignore[import-untyped]  # takes a tenth of a second, here alone

    arbiter: Any = Arbiter
    if not hasattr(arbiter.__init__, "__wrapped__"):
        arbiter.__init__ = _privately(arbiter.__init__)
    # BentoML's images set this variable. What BentoML itself makes of it is that a dead worker is not started again,
    # and that nobody hears of it as long as another one lives.
    if os.environ.pop("BENTOML_CONTAINERIZED", None):
        arbiter.start = _watched(arbiter.start, settings.shutdown_delay_s)


def _privately(set_up: Any) -> Any:
    """Circus's `Arbiter.__init__` with addresses of our own."""

    @functools.wraps(set_up)
    def private(arbiter: object, watchers: object, endpoint: str, pubsub_endpoint: str, **options: object) -> None:  # noqa: ARG001  # the addresses that are not taken
        folder = tempfile.mkdtemp(prefix="loan-default-")  # mode 0700
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        set_up(arbiter, watchers, f"ipc://{folder}/commands", f"ipc://{folder}/events", **options)

    return private


def _watched(start: Any, delay_s: float) -> Any:
    """Circus's `Arbiter.start`, which returns when the supervisor has stopped, with a watch beside it."""

    @functools.wraps(start)
    def watched(arbiter: Any, *arguments: object) -> Any:
        from tornado.ioloop import PeriodicCallback

        stopping: Callable[[], bool] = lambda: arbiter._stopping  # noqa: E731, SLF001  # it has no public word
        watch = Deathwatch(arbiter.iter_watchers, stopping, delay_s)
        looking = PeriodicCallback(watch.look, LOOK_S * 1000)
        looking.start()
        try:
            stopped = start(arbiter, *arguments)
        finally:
            looking.stop()
        if watch.died is not None:
            raise SystemExit(EXIT_CODE)
        return stopped

    return watched
