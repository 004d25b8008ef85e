"""What nobody should send, sent to a real server: it gets the described answer, and the next caller is served.

The server has one worker, so that the next caller meets the very process that was mistreated. `test_values.py`, the
last, looks at what the log holds of all that.
"""

import time
from collections.abc import Iterator

import pytest
from hostile import GOOD, NATIVE, REST, listed
from installation import ROOT, Installation, Server, serving
from wire import ask, request

_NO_LIMITS = {"RATE_LIMIT_PER_MINUTE": "0", "FAILED_KEYS_PER_MINUTE": "0"}


@pytest.fixture(scope="session")
def server(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker, and no limit of calls or wrong keys."""
    log = tmp_path_factory.mktemp("hostile") / "log"
    variables = {**installation.environment, "WORKERS": "1", **_NO_LIMITS}
    with serving(["bentoml", "serve", "service:LoanDefault"], variables, ROOT, log) as running:
        yield running


@pytest.fixture(autouse=True)
def the_next_caller_is_served(server: Server) -> Iterator[None]:
    """After each test."""
    yield
    began = time.monotonic()
    for target, body in ((REST, GOOD), (NATIVE, listed(GOOD))):
        reply = ask(server.url, request(target, body.encode()))
        assert reply is not None
        assert reply.status == 200, reply
    assert time.monotonic() - began < 3
