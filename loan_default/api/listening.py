"""Where callers knock: the sockets that all workers of a server listen on, and the end of that.

BentoML's supervisor opens them, its workers inherit them, and a socket listens as long as anybody has it open. A worker
that stops only lets go of its own copy: when all do, connections still reach the socket, nobody answers them, and they
break when the supervisor has ended, which takes as long as the last call under way. So the last worker that stops
shuts the sockets for all, and whoever knocks is refused at once. A worker that BentoML starts later opens them again.
"""

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path

import uvicorn


class Listening:
    """One worker's part in it. The kernel ends it when the process dies."""

    def __init__(self, shared_folder: Path | None) -> None:
        """Take part.

        Args:
            shared_folder: a folder that the workers of one server share with nobody else, locked as a sign that this
                one listens; None when there are no others.
        """
        self._lock: int | None = None
        if shared_folder is not None:
            with suppress(OSError):
                self._lock = os.open(shared_folder, os.O_RDONLY | os.O_DIRECTORY)
                fcntl.flock(self._lock, fcntl.LOCK_SH)

    def end(self, server: uvicorn.Server) -> None:
        """Take no more connections; the last worker that says so shuts the sockets. Safe to call again."""
        listeners = getattr(server, "servers", [])  # uvicorn sets it when it listens
        if self._leave():
            # All within one turn of the event loop: it must not try to accept from a socket that is shut.
            for one in (one for listener in listeners for one in listener.sockets):
                with socket.socket(fileno=os.dup(one.fileno())) as ours, suppress(OSError):  # shut already
                    ours.shutdown(socket.SHUT_RD)
        for listener in listeners:
            listener.close()

    def _leave(self) -> bool:
        """Give up the lock; whether nobody has it any more. Of several that leave at once, the last is told so."""
        if self._lock is None:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(self._lock)
            self._lock = None
