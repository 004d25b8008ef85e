"""A real installation: a model trained by `train.py` as a user would, and a server on it."""

import sys
from collections.abc import Iterator

import pytest
from installation import ROOT, Installation, Server, serving


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Trained once for all end-to-end tests."""
    state = tmp_path_factory.mktemp("installation") / "state"
    untrained = Installation(state)
    done = untrained.run(sys.executable, "train.py", COLUMNS="160")
    assert done.returncode == 0, done.stderr
    return Installation(state, done.stdout)


@pytest.fixture(scope="session")
def server(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`bentoml serve service:LoanDefault` with two workers, and no limit of calls or wrong keys."""
    log = tmp_path_factory.mktemp("server") / "log"
    variables = {
        **installation.environment,
        "WORKERS": "2",
        "RATE_LIMIT_PER_MINUTE": "0",
        "FAILED_KEYS_PER_MINUTE": "0",
    }
    with serving(["bentoml", "serve", "service:LoanDefault"], variables, ROOT, log) as running:
        yield running
