"""Keys in a real `bentoml serve` process: what shows of them, and whose address counts behind a proxy."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from installation import ROOT, Installation, Server, serving

pytestmark = pytest.mark.e2e

SECRET = "kX3-never-to-be-seen-anywhere"
WRONG = "wR0ng-but-nobody-elses-business"
CALL = "/api/v1/model/info"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server without a model, with a key in the environment and a named one."""
    folder = tmp_path_factory.mktemp("keyed")
    installation = Installation(folder / "state")
    added = installation.run(sys.executable, "-m", "loan_default.cli", "key", "add", "analyst")
    variables = {**installation.environment, "API_KEY": SECRET, "LOG_LEVEL": "DEBUG"}
    command = ["bentoml", "serve", "service:LoanDefault"]
    with serving(command, variables, ROOT, folder / "log", ready=False) as server:
        yield server, added.stdout.strip()


def status(server: Server, key: str, forwarded_for: str | None = None) -> int:
    headers = {"X-API-Key": key} | ({"X-Forwarded-For": forwarded_for} if forwarded_for else {})
    return httpx.get(server.url + CALL, headers=headers).status_code


def test_keys_show_in_no_log_no_metric_and_no_process_list(keyed: tuple[Server, str]) -> None:
    server, named = keyed
    assert status(server, SECRET) == status(server, named) == 503  # let in; there is no model
    assert status(server, WRONG) == 403
    httpx.get(server.url + CALL, headers={"Authorization": f"Bearer {WRONG}"})
    supervisor = psutil.Process(server.process.pid)
    shown = [" ".join(process.cmdline()) for process in (supervisor, *supervisor.children(recursive=True))]
    shown += [server.log.read_text(), httpx.get(server.url + "/metrics").text]
    for text in shown:
        assert text
        assert not [key for key in (SECRET, named, WRONG) if key in text]


def test_nothing_listens_but_the_service_itself(keyed: tuple[Server, str]) -> None:
    """BentoML's supervisor would take commands on a port, and show the environment, from any user of the machine."""
    server, _ = keyed
    supervisor = psutil.Process(server.process.pid)
    processes = (supervisor, *supervisor.children(recursive=True))
    sockets = [one for process in processes for one in process.net_connections("inet") if one.status == "LISTEN"]
    assert {one.laddr.port for one in sockets} == {int(server.url.rpartition(":")[2])}


def test_behind_a_proxy_the_callers_own_address_is_blocked(keyed: tuple[Server, str]) -> None:
    server, _ = keyed
    guesser, neighbour = "203.0.113.9", "203.0.113.10"
    assert [status(server, WRONG, guesser) for _ in range(21)] == [403] * 20 + [429]
    assert status(server, SECRET, neighbour) == 503
    assert status(server, WRONG, f"198.51.100.1, {guesser}") == 429  # what the guesser wrote itself does not count


def test_a_key_file_in_the_state_folder_is_private(keyed: tuple[Server, str]) -> None:
    server, _ = keyed
    state = Path(server.log).parent / "state"
    assert (state / "api_keys").stat().st_mode & 0o077 == 0
    assert not (state / "api_key").exists()
