"""Which of several workers shuts the socket that all listen on."""

import asyncio
import socket
from pathlib import Path

import pytest
import uvicorn

from loan_default.api.listening import Listening


class Worker:
    """A server as uvicorn leaves it when it listens on an inherited socket."""

    def __init__(self, inherited: socket.socket, shared_folder: Path | None) -> None:
        self._inherited = inherited
        self._listening = Listening(shared_folder)
        self.server = uvicorn.Server(uvicorn.Config("nothing:app"))

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self.server.servers = [await loop.create_server(asyncio.Protocol, sock=self._inherited.dup())]

    def end(self) -> None:
        self._listening.end(self.server)


def accepts(listening: socket.socket) -> bool:
    try:
        socket.create_connection(listening.getsockname(), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("workers", [1, 3])
def test_the_last_worker_that_ends_shuts_the_socket_and_a_new_one_opens_it_again(tmp_path: Path, workers: int) -> None:
    async def live(inherited: socket.socket) -> list[bool]:
        found = [Worker(inherited, tmp_path) for _ in range(workers)]
        for worker in found:
            await worker.listen()
        seen = []
        for worker in found:
            seen.append(accepts(inherited))
            worker.end()
            worker.end()  # the second SIGTERM
        seen.append(accepts(inherited))
        another = Worker(inherited, tmp_path)
        await another.listen()
        seen.append(accepts(inherited))
        another.end()
        return seen

    with socket.create_server(("127.0.0.1", 0)) as supervisors:
        assert asyncio.run(live(supervisors)) == [*[True] * workers, False, True]


def test_a_worker_that_cannot_know_of_others_leaves_the_socket_to_them(tmp_path: Path) -> None:
    async def live(inherited: socket.socket, folder: Path | None) -> bool:
        worker = Worker(inherited, folder)
        await worker.listen()
        worker.end()
        return accepts(inherited)

    for folder in (None, tmp_path / "gone"):
        with socket.create_server(("127.0.0.1", 0)) as supervisors:
            assert asyncio.run(live(supervisors, folder))


def test_ending_before_the_server_listens_changes_nothing(tmp_path: Path) -> None:
    Listening(tmp_path).end(uvicorn.Server(uvicorn.Config("nothing:app")))
