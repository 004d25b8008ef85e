"""Keeps the commands of BentoML's supervisor to the user who started it.

`bentoml serve` runs its workers by Circus, which takes commands on a TCP port of loopback and asks nobody who they are:
any user of the machine could read the workers' environment, the keys in it included, and have programs run as the
server's user. BentoML has no setting for it, so the addresses are changed where Circus is told them.
"""

import atexit
import functools
import shutil
import tempfile
from typing import Any

import click


def keep_commands_private() -> None:
    """Have Circus take commands in a folder that only its owner may enter, instead of on a port; safe to call again.

    Only in the process of `bentoml serve` itself: workers do without Circus.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "serve":
        return
    from circus.arbiter import Arbiter  # type: ignore[import-untyped]  # takes a tenth of a second, here alone

    arbiter: Any = Arbiter
    if not hasattr(arbiter.__init__, "__wrapped__"):
        arbiter.__init__ = _privately(arbiter.__init__)


def _privately(set_up: Any) -> Any:
    """Circus's `Arbiter.__init__` with addresses of our own."""

    @functools.wraps(set_up)
    def private(arbiter: object, watchers: object, endpoint: str, pubsub_endpoint: str, **options: object) -> None:  # noqa: ARG001  # the addresses that are not taken
        folder = tempfile.mkdtemp(prefix="loan-default-")  # mode 0700
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        set_up(arbiter, watchers, f"ipc://{folder}/commands", f"ipc://{folder}/events", **options)

    return private
