"""An S3 server for tests: moto's, which speaks S3 over HTTP and keeps objects in memory."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from installation import free_port

_READY_WITHIN_S = 30


@contextmanager
def running_s3() -> Iterator[str]:
    """The address of an empty bucket, as JOB_STORAGE_URL takes it."""
    program = Path(sys.executable).with_name("moto_server")  # beside Python: `make test` puts nothing into PATH
    port = free_port()
    # No proxy of this machine is asked for another process of it.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    process = subprocess.Popen(
        [str(program), "-H", "127.0.0.1", "-p", str(port)],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _READY_WITHIN_S
        while True:
            try:
                httpx.put(f"http://127.0.0.1:{port}/jobs", timeout=2).raise_for_status()
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the S3 server did not start"
                time.sleep(0.1)
        yield f"s3://jobs/here?scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"
    finally:
        process.terminate()
        process.wait(timeout=10)
