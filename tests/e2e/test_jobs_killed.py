"""Bulk jobs of a real server that loses its worker, itself, or all of its processes at any moment.

`SERVER_KILLS` in the environment sets how often; CI takes the short form.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from installation import ROOT, Installation, Server, serving
from job_makers import hand_in, outcome, over, portfolio, wait_for

from loan_default.jobs.jobs import Jobs
from loan_default.served import Served, find_served
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

KILLS = int(os.environ.get("SERVER_KILLS", "3"))
ROWS = 200_000
CONTENT = portfolio(ROWS)
COMMAND = ["bentoml", "serve", "service:LoanDefault"]
# BentoML looks for dead processes every 10 s, and starting one takes a few more.
_BACK_WITHIN_S = 40


@pytest.fixture
def copied(installation: Installation, tmp_path: Path) -> Installation:
    """An installation of one's own."""
    return installation.copy(tmp_path / "state")


@pytest.fixture
def jobs(copied: Installation) -> Iterator[Jobs]:
    """Its jobs."""
    with Jobs(settings_of(copied)) as opened:
        yield opened


def settings_of(installation: Installation) -> Settings:
    """The settings that a server of it has."""
    return Settings(_env_file=None, state_dir=installation.state)


def served_by(installation: Installation) -> Served:
    """The model that it serves."""
    return find_served(settings_of(installation), ROOT)


def kill_all(server: Server) -> None:
    """End all of its processes as a power cut would."""
    parent = psutil.Process(server.process.pid)
    for process in [parent, *parent.children(recursive=True)]:
        process.kill()
    server.process.wait(timeout=10)


def kill_server(server: Server) -> None:
    """End the process that started the others, and those only when they notice."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    server.process.kill()
    server.process.wait(timeout=10)
    psutil.wait_procs(children, timeout=1)
    for process in children:  # nobody would end them; a container's end does
        if process.is_running():
            process.kill()


def kill_job_worker(server: Server) -> None:
    """End the process that scores."""
    for process in server.job_workers():
        process.kill()


def test_a_job_survives_the_end_of_any_process_byte_for_byte(copied: Installation, jobs: Jobs, tmp_path: Path) -> None:
    chance, served, variables = random.Random(11), served_by(copied), copied.environment
    ways = [kill_job_worker, kill_server, kill_all]
    kills = 0
    with serving(COMMAND, variables, ROOT, tmp_path / "log-undisturbed"):
        undisturbed = hand_in(jobs, served, CONTENT, chunk_rows=250)
        wait_for(jobs, undisturbed, over)
    job_id = hand_in(jobs, served, CONTENT, chunk_rows=250)
    while kills < KILLS:
        if over(wait_for(jobs, job_id, lambda _: True)):
            assert outcome(jobs, job_id) == outcome(jobs, undisturbed)
            job_id = hand_in(jobs, served, CONTENT, chunk_rows=250)
        with serving(COMMAND, variables, ROOT, tmp_path / f"log-{kills}") as server:
            wait_for(jobs, job_id, lambda view: view.status != "PENDING")
            time.sleep(chance.uniform(0, 3))
            way = ways[kills % len(ways)]
            way(server)
            kills += 1
            if way is kill_job_worker:
                assert httpx.get(server.url + "/readyz", timeout=5).status_code == 200
                wait_for(jobs, job_id, over, within_s=_BACK_WITHIN_S)
    with serving(COMMAND, variables, ROOT, tmp_path / "log-last"):
        done = wait_for(jobs, job_id, over)
    assert (done.status, done.completed + done.rejected) == ("SUCCESS", ROWS)
    assert outcome(jobs, job_id) == outcome(jobs, undisturbed)


def test_two_servers_on_one_state_folder_share_the_jobs(copied: Installation, jobs: Jobs, tmp_path: Path) -> None:
    served = served_by(copied)
    with (
        serving(COMMAND, copied.environment, ROOT, tmp_path / "log-1") as first,
        serving(COMMAND, copied.environment, ROOT, tmp_path / "log-2") as second,
    ):
        waiting = [hand_in(jobs, served, CONTENT, chunk_rows=1_000) for _ in range(4)]
        done = [wait_for(jobs, job_id, over) for job_id in waiting]
        starts = [len(server.logged("The job starts")) for server in (first, second)]
    assert {view.status for view in done} == {"SUCCESS"}
    assert sum(starts) == len(waiting)  # none was scored twice
    assert all(starts)
    assert len({tuple(outcome(jobs, job_id)) for job_id in waiting}) == 1


def test_a_stopping_server_gives_its_job_back(copied: Installation, jobs: Jobs, tmp_path: Path) -> None:
    with serving(COMMAND, copied.environment, ROOT, tmp_path / "log") as server:
        job_id = hand_in(jobs, served_by(copied), CONTENT, chunk_rows=100)
        wait_for(jobs, job_id, lambda view: view.completed > 0)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0
    view = jobs.view(job_id)
    assert view is not None
    assert view.status == "PENDING"


def test_a_server_without_a_worker_leaves_jobs_to_others(copied: Installation, jobs: Jobs, tmp_path: Path) -> None:
    variables = {**copied.environment, "JOB_WORKER": "off"}
    with serving(COMMAND, variables, ROOT, tmp_path / "log") as server:
        assert server.job_workers() == []
        job_id = hand_in(jobs, served_by(copied), CONTENT)
        time.sleep(1)
        view = jobs.view(job_id)
    assert view is not None
    assert view.status == "PENDING"


def test_the_workers_port_is_no_port(copied: Installation, tmp_path: Path) -> None:
    with serving(COMMAND, copied.environment, ROOT, tmp_path / "log") as server:
        port = int(server.url.rpartition(":")[2])
        processes = [psutil.Process(server.process.pid), *server.workers(), *server.job_workers()]
        listening = {
            connection.laddr.port
            for process in processes
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
    assert listening == {port}
