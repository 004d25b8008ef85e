"""`loan-default worker`: a worker for bulk jobs alone, for where servers have none of their own."""

import signal
from typing import Annotated

import typer

from loan_default.cli.shared import or_exit
from loan_default.settings import Settings, read_settings


def worker(
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Serve Prometheus metrics on this port, on all addresses; 0 = do not.")
    ] = 0,
) -> None:
    """Work on bulk jobs until SIGTERM or Ctrl-C, which stops within a chunk and gives the job back to the queue.

    Exit code 0: stopped as asked. 2: a setting is wrong.
    """
    or_exit(lambda: _work(read_settings(), metrics_port))


def _work(settings: Settings, metrics_port: int) -> None:
    from prometheus_client import start_http_server

    from loan_default.jobs.worker import Worker
    from loan_default.logs import configure_logging

    configure_logging(settings)
    asked = {signal.SIGTERM, signal.SIGINT}
    # Before any thread starts, so that none is interrupted in the middle of something.
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    if metrics_port:
        start_http_server(metrics_port)
    running = Worker(settings, settings.drift_url)
    running.start()
    signal.sigwait(asked)
    running.stop()
