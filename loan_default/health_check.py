"""Whether the server in this container is ready: exit code 0 or 1, for HEALTHCHECK and for probes that run a command.

    python -I -S health_check.py [PORT [PATH]]

It is run every few seconds, so it is a file of its own that imports next to nothing: 17 ms, where an HTTP client takes
100. It reads BENTOML_PORT, which says where the server beside it listens, and no setting of ours.
"""

import os
import socket
import sys

_TIMEOUT_S = 4.0


def main(port: str = "", path: str = "/readyz") -> int:
    """Ask, and say in one line what the answer was."""
    port = port or os.environ.get("PORT") or os.environ.get("BENTOML_PORT") or "3000"
    try:
        with socket.create_connection(("127.0.0.1", int(port)), _TIMEOUT_S) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            status = connection.recv(64).split(b"\r\n", 1)[0].decode("ascii", "replace")
    except OSError as error:
        sys.stdout.write(f"{path} on port {port}: {error}\n")
        return 1
    sys.stdout.write(f"{path} on port {port}: {status}\n")
    return 0 if status.split(" ")[1:2] == ["200"] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
